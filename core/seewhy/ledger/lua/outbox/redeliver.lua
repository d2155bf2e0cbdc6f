-- args: job_id -> 1 | 0
local id = args.job_id
local webhook_url = field(id, 'webhook_url')
if not webhook_url or is_open(field(id, 'state')) then return 0 end
redis.call('HDEL', job_key(id), 'webhook_detail')
add_delivery(id, webhook_url, now_ms())
return 1
