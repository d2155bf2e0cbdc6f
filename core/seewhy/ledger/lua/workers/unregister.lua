#!lua flags=allow-oom
-- args: worker_id, or none for all workers
if args.worker_id then redis.call('HDEL', WORKERS, args.worker_id) else redis.call('DEL', WORKERS) end
