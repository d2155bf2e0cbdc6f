#!lua
-- args: key {digest, request_digest}, job_id, epoch? -> {status, job id}
-- 'incomplete': the ledger may lack jobs of the epoch, so the key may belong to one of them.
if args.epoch then
  local marker = redis.call('HMGET', EPOCH, 'epoch', 'server')
  if marker[1] ~= args.epoch or marker[2] ~= server_id() then
    return { 'incomplete', args.job_id }
  end
end
local key, now = idempotency_key(args.key.digest), now_ms()
local bound = redis.call('HMGET', key, 'request_digest', 'job_id', 'accepted', 'reserved_until_ms')
if bound[1] and bound[1] ~= args.key.request_digest then return { 'reused', bound[2] } end
if bound[3] == '1' then return { 'accepted', bound[2] } end
if bound[1] and now < tonumber(bound[4]) then return { 'busy', bound[2] } end
-- A request that never finished passes its id on: the next request overwrites what it stored under
-- that id, so nothing is orphaned.
local id = bound[2] or args.job_id
redis.call('HSET', key, 'request_digest', args.key.request_digest, 'job_id', id,
  'reserved_until_ms', now + settings.reservation_ms)
redis.call('PEXPIRE', key, settings.reservation_ttl_ms)
return { 'new', id }
