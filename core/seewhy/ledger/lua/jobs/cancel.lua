#!lua flags=allow-oom
-- args: job_id -> the fields of the job, flat; empty when the job is unknown
local id = args.job_id
local state = field(id, 'state')
if state == 'queued' then
  redis.call('HSET', job_key(id), 'cancel_requested', 1)
  finish(id, 'cancelled', now_ms())
elseif state == 'running' then
  redis.call('HSET', job_key(id), 'cancel_requested', 1)
end
return redis.call('HGETALL', job_key(id))
