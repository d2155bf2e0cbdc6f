#!lua flags=allow-oom
-- args: key_ids
local now = now_ms()
for _, key_id in ipairs(args.key_ids) do redis.call('HSET', KEY_USE, key_id, now) end
