-- ARGV: policy, owner, duration in ms, 'again' or '' -> 1 | 0
local owner, duration, again = ARGV[2], tonumber(ARGV[3]), ARGV[4] == 'again'
local now = now_ms()
local known = redis.call('HMGET', LEAD, 'owner', 'until_ms')
local mine = known[1] == owner
if again and not mine then return 0 end
if known[1] and not mine and now < tonumber(known[2]) then return 0 end
redis.call('HSET', LEAD, 'owner', owner, 'until_ms', now + duration)
return 1
