#!lua flags=allow-oom
-- args: owner, lease_ms, renew (boolean) -> 1 | 0
local now = now_ms()
local held = redis.call('HMGET', LEADERSHIP, 'owner', 'expires_ms')
local is_owner = held[1] == args.owner
if args.renew and not is_owner then return 0 end
if held[1] and not is_owner and now < tonumber(held[2]) then return 0 end
redis.call('HSET', LEADERSHIP, 'owner', args.owner, 'expires_ms', now + args.lease_ms)
return 1
