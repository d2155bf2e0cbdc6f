#!lua
-- args: batch_id, fields {batch, context, total, refused, listing?, webhook_url?}, key? as in submit.lua
--       -> {created, limit {scope, retry in ms} or {}}
local id, fields = args.batch_id, args.fields
if redis.call('EXISTS', batch_key(id)) == 1 then return { 0, {} } end
local open = tonumber(redis.call('HGET', OPEN_BATCHES, tenant_in(fields.context)) or 0)
if open >= settings.tenant_batch_limit then return { 0, { 'batches', MAX_RETRY_MS } } end
add_batch(id, fields, now_ms())
if args.key then bind_key(args.key, id, settings.idempotency_ttl_ms) end
return { 1, {} }
