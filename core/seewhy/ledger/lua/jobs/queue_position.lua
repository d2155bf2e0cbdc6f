#!lua flags=no-writes
-- args: job_id -> the position, counted from 1; 0 when the job is not in a queue
-- An estimate when more than MAX_TENANTS tenants have a turn before the job's.
local id = field(args.job_id, 'duplicate_of') or args.job_id
local lane, tenant = field(id, 'lane'), tenant_of(id)
if not lane then return 0 end
if field(id, 'quarantined') then
  return (redis.call('ZRANK', quarantine_key(lane), id) or -1) + 1
end
local rank = redis.call('ZRANK', ready_key(lane, tenant), id)
if not rank then return 0 end
local turn = tonumber(redis.call('ZSCORE', virtual_time_key(lane), tenant)) + rank

-- How many jobs of another tenant run first; those with equal virtual time go in order of name.
local function jobs_before(other, virtual_time)
  if other == tenant then return 0 end
  local turns = turn - tonumber(virtual_time) + (other < tenant and 1 or 0)
  return math.max(0, math.min(redis.call('ZCARD', ready_key(lane, other)), turns))
end

-- Up to MAX_TENANTS tenants are counted; of more, as many are taken at equal distances.
local MAX_TENANTS = 100
local count = redis.call('ZCOUNT', virtual_time_key(lane), '-inf', turn)
local scale = math.max(1, count / MAX_TENANTS)
local before = 0
for n = 0, math.min(count, MAX_TENANTS) - 1 do
  local at = math.floor(n * scale)
  local other = redis.call('ZRANGE', virtual_time_key(lane), at, at, 'WITHSCORES')
  before = before + jobs_before(other[1], other[2])
end
local ready = tonumber(redis.call('HGET', READY, lane) or 0)
return math.max(rank + 1, math.min(rank + 1 + math.floor(before * scale), ready))
