-- ARGV: policy, job id, lane, job, deadline in ms or '', key digest or '', request digest
--       -> {created, ring}
local id, lane, job, deadline, key, digest = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
if redis.call('EXISTS', job_key(id)) == 1 then return { 0, 0 } end
local now = now_ms()
local place = redis.call('HINCRBY', BOOKS, 'place', 1)
redis.call('HSET', job_key(id), 'state', 'queued', 'lane', lane, 'job', job, 'place', place,
  'attempts', 0, 'crashes', 0, 'fence', 0, 'submitted_ms', now)
if deadline ~= '' then
  redis.call('HSET', job_key(id), 'deadline_ms', now + tonumber(deadline))
end
if key ~= '' then
  redis.call('HSET', 'seewhy:key:' .. key, 'digest', digest, 'id', id, 'accepted', 1)
  redis.call('PEXPIRE', 'seewhy:key:' .. key, policy.key_ttl_ms)
end
redis.call('HINCRBY', BOOKS, 'accepted', 1)
make_ready(id, now)
return { 1, hints_wanted(lane) > 0 and 1 or 0 }
