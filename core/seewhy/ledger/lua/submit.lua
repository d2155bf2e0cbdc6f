-- ARGV: policy, job id, lane, context, job, deadline in ms or '', key digest or '', request digest,
--       fingerprint or '', webhook or '' -> {created, ring, limit or '', come back in ms}
local id, lane, context, job, deadline = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local key, digest, fingerprint, webhook = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
if redis.call('EXISTS', job_key(id)) == 1 then return { 0, 0, '', 0 } end
local now, tenant = now_ms(), cjson.decode(context).tenant
local full = crowded(lane, tenant, now)
if full then return { 0, 0, full[1], full[2] } end
local place = redis.call('HINCRBY', BOOKS, 'place', 1)
redis.call('HSET', job_key(id), 'state', 'queued', 'lane', lane, 'context', context, 'job', job,
  'place', place, 'attempts', 0, 'crashes', 0, 'fence', 0, 'submitted_ms', now)
if deadline ~= '' then
  redis.call('HSET', job_key(id), 'deadline_ms', now + tonumber(deadline))
end
if webhook ~= '' then redis.call('HSET', job_key(id), 'webhook', webhook) end
if key ~= '' then
  redis.call('HSET', 'seewhy:key:' .. key, 'digest', digest, 'id', id, 'accepted', 1)
  redis.call('PEXPIRE', 'seewhy:key:' .. key, policy.key_ttl_ms)
end
redis.call('HINCRBY', BOOKS, 'accepted', 1)
enter(lane, tenant)
if fingerprint ~= '' then
  redis.call('HSET', job_key(id), 'flight', fingerprint)
  if not board(id, now) then return { 1, 0, '', 0 } end
end
make_ready(id, now)
return { 1, hints_wanted(lane) > 0 and 1 or 0, '', 0 }
