#!lua
-- args: key_id, size_bytes, quotas {uploads_per_minute, uploaded_bytes_per_minute}
--       -> {limit {quota, retry in ms, what is left} or {},
--           what is left {amount, reset in ms} of uploads and of bytes?}
local now, quotas = now_ms(), args.quotas
local use = recent_use(args.key_id, now, { UPLOADS, UPLOADED_BYTES })
local costs = {
  { UPLOADS, quotas.uploads_per_minute, 1 },
  { UPLOADED_BYTES, quotas.uploaded_bytes_per_minute, args.size_bytes },
}
local limit = reached_of(costs, use, now)
if limit then return { limit } end
local left = take_all(args.key_id, costs, use, now)
return { {}, left[1], left[2] }
