-- ARGV: policy, key digest, job id -> 1 | 0
local key, id = 'seewhy:key:' .. ARGV[2], ARGV[3]
local known = redis.call('HMGET', key, 'id', 'accepted')
if known[1] ~= id or known[2] then return 0 end
redis.call('HSET', key, 'busy_until_ms', 0)
return 1
