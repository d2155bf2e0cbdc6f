#!lua flags=allow-oom
-- args: batch_id, owner, retry_in_ms -> 1 | 0
if not holds_batch(args.batch_id, args.owner) then return 0 end
redis.call('HDEL', batch_key(args.batch_id), 'acceptor')
redis.call('ZADD', BATCHES_DUE, now_ms() + args.retry_in_ms, args.batch_id)
return 1
