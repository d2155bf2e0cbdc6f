-- ARGV: policy, job id, lane, context, job, submitted in ms, deadline in ms or '', key digest or '',
--       request digest, webhook or '', state, {field, value}... -> 1 | 0
local id, lane, context, job, digest = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[9]
local key, webhook, state = ARGV[8] ~= '' and 'seewhy:key:' .. ARGV[8], ARGV[10], ARGV[11]
if redis.call('EXISTS', job_key(id)) == 1 then return 0 end
local now = now_ms()
local submitted = math.min(tonumber(ARGV[6]), now)
local outcome = {}
for n = 12, #ARGV, 2 do outcome[ARGV[n]] = ARGV[n + 1] end
local finished = tonumber(outcome.finished_ms)
if finished and finished + policy.retention_ms <= now then return 0 end

redis.call('HINCRBY', BOOKS, 'accepted', 1)
-- The fence is above every claim from before the loss. The place is before every job that was
-- accepted since, in the order of the ids.
redis.call('HSET', job_key(id), 'state', state, 'lane', lane, 'context', context, 'job', job, 'attempts', 0,
  'crashes', 0, 'fence', now, 'submitted_ms', submitted, 'place', submitted - 10000000000000)
if ARGV[7] ~= '' then
  redis.call('HSET', job_key(id), 'deadline_ms', submitted + tonumber(ARGV[7]))
end
if webhook ~= '' then redis.call('HSET', job_key(id), 'webhook', webhook) end
for name, value in pairs(outcome) do redis.call('HSET', job_key(id), name, value) end

local key_life = submitted + policy.key_ttl_ms - now
local bound = key and redis.call('HGET', key, 'id')
if key and key_life > 0 and (not bound or bound == id) then
  redis.call('HSET', key, 'digest', digest, 'id', id, 'accepted', 1)
  redis.call('PEXPIRE', key, key_life)
end

if finished then
  keep(id, finished, now)
  redis.call('HINCRBY', BOOKS, state, 1)
  if state == 'failed' then redis.call('ZADD', DEAD, finished, id) end
  -- Nobody knows any more whether it was delivered. Its id tells a receiver that had it before.
  if webhook ~= '' and now < finished + policy.webhook_ms then post(id, webhook, now) end
else
  enter(lane, tenant_of(id))
  make_ready(id, now)
  redis.call('ZADD', DUE, now, id)
end
announce(id, state)
return 1
