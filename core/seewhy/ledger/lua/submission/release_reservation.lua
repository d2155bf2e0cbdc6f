#!lua flags=allow-oom
-- args: digest, job_id -> 1 | 0
local key = idempotency_key(args.digest)
local bound = redis.call('HMGET', key, 'job_id', 'accepted')
if bound[1] ~= args.job_id or bound[2] then return 0 end
redis.call('HSET', key, 'reserved_until_ms', 0)
return 1
