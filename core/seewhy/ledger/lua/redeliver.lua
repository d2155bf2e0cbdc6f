-- ARGV: policy, job id -> 1 | 0
local id = ARGV[2]
local webhook = field(id, 'webhook')
if not webhook or is_open(field(id, 'state')) then return 0 end
redis.call('HDEL', job_key(id), 'webhook_detail')
post(id, webhook, now_ms())
return 1
