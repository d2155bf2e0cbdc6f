-- ARGV: policy -> {non-terminal, field, value, ...}
local answer = redis.call('HGETALL', BOOKS)
table.insert(answer, 1, redis.call('ZCARD', DUE))
return answer
