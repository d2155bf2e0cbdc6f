#!lua flags=allow-oom
-- args: worker_id, model, others -> 1, and the worker is listed as loading the model, or 0 if more
--       than `others` other workers have it or load it, or the worker is not registered
local mine, others = nil, 0
for id, worker in pairs(live_workers()) do
  if id == args.worker_id then
    mine = worker
  elseif worker.loading == args.model or contains(worker.models, args.model) then
    others = others + 1
  end
end
if not mine or others > args.others then return 0 end
mine.loading = args.model
redis.call('HSET', WORKERS, args.worker_id, cjson.encode(mine))
return 1
