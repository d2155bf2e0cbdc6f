#!lua flags=no-writes
-- args: lane, tenant, charge? {key_id, passes, quotas}
--       -> {scope or quota, retry in ms, what is left} or {}
local now, charge = now_ms(), args.charge
return reached_limit(args.lane, args.tenant, now)
  or charge
    and reached_quota(charge, recent_use(charge.key_id, now), args.lane, args.tenant, now)
  or {}
