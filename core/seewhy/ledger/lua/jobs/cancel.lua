#!lua flags=allow-oom
-- args: job_id -> the fields of the job, flat; empty when the job is unknown
cancel_job(args.job_id, now_ms())
return redis.call('HGETALL', job_key(args.job_id))
