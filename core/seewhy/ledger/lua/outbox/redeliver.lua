#!lua flags=allow-oom
-- args: job_id, interval_ms -> {1 if scheduled, ms until it may be requested again}
local id, now = args.job_id, now_ms()
local webhook_url, state, redelivered_ms = read_fields(id, 'webhook_url', 'state', 'redelivered_ms')
if not webhook_url or is_open(state) then return { 0, 0 } end
local wait_ms = (tonumber(redelivered_ms) or 0) + args.interval_ms - now
if redelivered_ms and wait_ms > 0 then return { 0, wait_ms } end
redis.call('HDEL', job_key(id), 'webhook_detail')
redis.call('HSET', job_key(id), 'redelivered_ms', now)
add_delivery(id, webhook_url, now)
return { 1, 0 }
