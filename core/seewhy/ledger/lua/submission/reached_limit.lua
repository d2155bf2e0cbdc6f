-- args: lane, tenant -> {scope or '', retry in ms}
return reached_limit(args.lane, args.tenant, now_ms()) or { '', 0 }
