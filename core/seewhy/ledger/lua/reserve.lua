-- ARGV: policy, key digest, request digest, job id -> {status, job id}
local key, digest, id = 'seewhy:key:' .. ARGV[2], ARGV[3], ARGV[4]
local now = now_ms()
local known = redis.call('HMGET', key, 'digest', 'id', 'accepted', 'busy_until_ms')
if known[1] and known[1] ~= digest then return { 'reused', known[2] } end
if known[3] == '1' then return { 'accepted', known[2] } end
if known[1] and now < tonumber(known[4]) then return { 'busy', known[2] } end
-- A request that was never heard of again leaves its id to the next: whatever it had written
-- under that id is written again, not orphaned.
id = known[2] or id
redis.call('HSET', key, 'digest', digest, 'id', id, 'busy_until_ms', now + policy.accepting_ms)
redis.call('PEXPIRE', key, policy.key_ttl_ms)
return { 'new', id }
