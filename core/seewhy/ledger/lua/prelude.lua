-- Shared by all scripts. Keys:
--   seewhy:job:<id>               hash    one job
--   seewhy:due                    zset    every non-terminal job -> when someone must look again (I1)
--   seewhy:turns:<lane>           zset    the tenants with a queue in a lane -> their next turn
--   seewhy:lane:<lane>:<tenant>   zset    a tenant's ready jobs -> place
--   seewhy:alone:<lane>           zset    ready jobs that must run with nothing beside them -> place
--   seewhy:held:<owner>           set     jobs that an owner has claimed
--   seewhy:open                   hash    lane -> how many of its jobs have not ended
--   seewhy:open:<lane>            hash    the same by tenant
--   seewhy:pace:<lane>:<minute>   hash    how many jobs a worker ended in a minute, by tenant and in all
--   seewhy:flight:<fingerprint>   string  the job that computes, or has computed, what others ask too
--   seewhy:followers:<id>         zset    the jobs that wait for another's outcome -> place
--   seewhy:key:<digest>           hash    one idempotency key
--   seewhy:books                  hash    accepted, one counter per terminal state, last place
--   seewhy:events                 stream  state changes, capped
--   seewhy:unfiled                zset    outcomes that the object store is still to be told -> when
--   seewhy:dead                   zset    failed jobs that nobody has dealt with -> when
--   seewhy:outbox                 zset    origins of webhooks -> when the first of their rows is due
--   seewhy:outbox:<origin>        zset    jobs whose webhook is to be delivered -> when
--   seewhy:undelivered            zset    jobs whose webhook was given up -> when
--   seewhy:couriers               hash    origin -> until when nobody else is to call there
--   seewhy:lead                   hash    who puts the ledger right after a loss, and until when
--   seewhy:epoch                  hash    which store's jobs are here, and the server that took them in
--   seewhy:hints:<lane>           list    Celery's own: the messages that ring for a lane
local DUE, BOOKS, EVENTS = 'seewhy:due', 'seewhy:books', 'seewhy:events'
local UNFILED, DEAD, OPEN = 'seewhy:unfiled', 'seewhy:dead', 'seewhy:open'
local OUTBOX, COURIERS = 'seewhy:outbox', 'seewhy:couriers'
local UNDELIVERED = 'seewhy:undelivered'
local LEAD, EPOCH = 'seewhy:lead', 'seewhy:epoch'
local function job_key(id) return 'seewhy:job:' .. id end
local function turns_key(lane) return 'seewhy:turns:' .. lane end
local function lane_key(lane, tenant) return 'seewhy:lane:' .. lane .. ':' .. tenant end
local function alone_key(lane) return 'seewhy:alone:' .. lane end
local function held_key(owner) return 'seewhy:held:' .. owner end
local function open_key(lane) return 'seewhy:open:' .. lane end
local function flight_key(fingerprint) return 'seewhy:flight:' .. fingerprint end
local function followers_key(id) return 'seewhy:followers:' .. id end
local function rows_key(origin) return 'seewhy:outbox:' .. origin end

local policy = cjson.decode(ARGV[1])

local function field(id, name)
  local value = redis.call('HGET', job_key(id), name)
  return value ~= '' and value or false
end

local function tenant_of(id)
  local context = field(id, 'context')
  return context and cjson.decode(context).tenant
end

local function is_open(state) return state == 'queued' or state == 'running' end

local function announce(id, state)
  redis.call('XADD', EVENTS, 'MAXLEN', '~', policy.events_kept, '*', 'id', id, 'state', state)
end

local function unclaim(id)
  local owner = field(id, 'owner')
  if owner then
    redis.call('SREM', held_key(owner), id)
    redis.call('HDEL', job_key(id), 'owner')
  end
end

local function past_deadline(id, now)
  local deadline = field(id, 'deadline_ms')
  return deadline and tonumber(deadline) <= now
end
