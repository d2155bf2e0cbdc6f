-- ARGV: policy, job id -> the job's fields, flat; empty when unknown
local id = ARGV[2]
local state = field(id, 'state')
if state == 'queued' then
  redis.call('HSET', job_key(id), 'cancel', 1)
  settle(id, 'cancelled', now_ms())
elseif state == 'running' then
  redis.call('HSET', job_key(id), 'cancel', 1)
end
return redis.call('HGETALL', job_key(id))
