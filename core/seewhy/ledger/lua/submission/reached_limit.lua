#!lua flags=no-writes
-- args: lane, tenant, charge? {key_id, passes, quotas}
--       -> {scope or quota, retry in ms, what is left} or {}
local now = now_ms()
return reached_limit(args.lane, args.tenant, now)
  or args.charge and reached_quota(args.charge, args.lane, args.tenant, now)
  or {}
