#!lua flags=allow-oom
-- args: worker_id, models
local known = redis.call('HGET', WORKERS, args.worker_id)
local now = now_ms()
redis.call('HSET', WORKERS, args.worker_id, cjson.encode({
  models = args.models,
  started_ms = known and cjson.decode(known).started_ms or now,
  seen_ms = now,
}))
for _, model in ipairs(args.models) do redis.call('HSET', MODELS_SEEN, model, now) end
