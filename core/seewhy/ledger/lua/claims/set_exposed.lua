#!lua flags=allow-oom
-- args: job_id, fence, exposed -> 1 | 0
return change_claimed({ args }, function(claim)
  if not field(claim.job_id, 'quarantined') then return false end
  if args.exposed then
    redis.call('HSET', job_key(claim.job_id), 'exposed', 1)
  else
    redis.call('HDEL', job_key(claim.job_id), 'exposed')
  end
end)[1]
