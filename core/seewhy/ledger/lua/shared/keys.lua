-- The ledger's keys. docs/ledger.md describes their types and contents.
local DUE, OPEN, READY = '{seewhy}:due', '{seewhy}:open', '{seewhy}:ready'
local COUNTERS, EVENTS = '{seewhy}:counters', '{seewhy}:events'
local DURATIONS = '{seewhy}:durations'
local OPEN_BY_KEY, KEY_USE = '{seewhy}:open_by_key', '{seewhy}:key_use'
local UNARCHIVED, DEAD_LETTERS = '{seewhy}:unarchived', '{seewhy}:dead_letters'
local UNARCHIVED_BATCHES = '{seewhy}:unarchived_batches'
local OUTBOX, ORIGIN_LEASES = '{seewhy}:outbox', '{seewhy}:origin_leases'
local UNDELIVERED = '{seewhy}:undelivered'
local LEADERSHIP, EPOCH = '{seewhy}:leadership', '{seewhy}:epoch'
local RUNNING_COST, LAST_FINISH = '{seewhy}:running_cost', '{seewhy}:last_finish'
local BATCHES_DUE, OPEN_BATCHES = '{seewhy}:batches_due', '{seewhy}:open_batches'
local PASS_US = '{seewhy}:pass_us'
local VIRTUAL_CLOCK = '{seewhy}:virtual_clock'
local WORKERS, MODELS_SEEN = '{seewhy}:workers', '{seewhy}:models_seen'
local function job_key(id) return '{seewhy}:job:' .. id end
local function batch_key(id) return '{seewhy}:batch:' .. id end
-- The hash of what a delivery is about: a job by its id, a batch by its id after this prefix.
local BATCH_PREFIX = 'batch:'
local function record_key(name)
  if string.sub(name, 1, #BATCH_PREFIX) == BATCH_PREFIX then
    return batch_key(string.sub(name, #BATCH_PREFIX + 1))
  end
  return job_key(name)
end
local function ready_key(lane, tenant) return '{seewhy}:ready:' .. lane .. ':' .. tenant end
local function ready_cost_key(lane) return '{seewhy}:ready_cost:' .. lane end
local function running_key(lane) return '{seewhy}:running:' .. lane end
local function virtual_time_key(lane) return '{seewhy}:virtual_time:' .. lane end
local function quarantine_key(lane) return '{seewhy}:quarantine:' .. lane end
local function claimed_key(owner) return '{seewhy}:claimed:' .. owner end
local function open_key(lane) return '{seewhy}:open:' .. lane end
local function uncomputed_key(tenant) return '{seewhy}:uncomputed:' .. tenant end
local function throughput_key(lane, minute) return '{seewhy}:throughput:' .. lane .. ':' .. minute end
local function device_times_key(model) return '{seewhy}:device_times:' .. model end
local function quota_key(key_id, step) return '{seewhy}:quota:' .. key_id .. ':' .. step end
local function coalesced_key(fingerprint) return '{seewhy}:coalesced:' .. fingerprint end
local function duplicates_key(id) return '{seewhy}:duplicates:' .. id end
local function idempotency_key(digest) return '{seewhy}:idempotency:' .. digest end
local function latest_key(tenant) return '{seewhy}:latest:' .. tenant end
local function origin_key(origin) return '{seewhy}:outbox:' .. origin end
