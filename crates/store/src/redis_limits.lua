-- Counts one request in every window, or in none when one is full. One call, so no other node comes between.
--
-- KEYS: one for each subject, all in one hash slot. Each is a hash with two fields a window: where it began
-- and what it has counted.
-- ARGV: three for each window: which of KEYS, its length in seconds, its limit.
-- Answer: whether all had room, the time in milliseconds, and what each window has counted now.
--
-- The time is the server's own: nodes whose clocks differ still count in the same windows.
local time = redis.call('TIME')
local now = tonumber(time[1])
local answer = {1, now * 1000 + math.floor(tonumber(time[2]) / 1000)}

for i = 1, #ARGV, 3 do
  local seconds = tonumber(ARGV[i + 1])
  local kept = redis.call('HMGET', KEYS[tonumber(ARGV[i])], ARGV[i + 1] .. ':start', ARGV[i + 1] .. ':used')
  local used = 0
  if tonumber(kept[1]) == now - now % seconds then
    used = tonumber(kept[2])
  end
  if used >= tonumber(ARGV[i + 2]) then
    answer[1] = 0
  end
  answer[#answer + 1] = used
end

if answer[1] == 1 then
  local ends = {}
  for i = 1, #ARGV, 3 do
    local subject, seconds = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    local start, counted = now - now % seconds, 2 + (i + 2) / 3
    answer[counted] = answer[counted] + 1
    redis.call('HSET', KEYS[subject], ARGV[i + 1] .. ':start', start, ARGV[i + 1] .. ':used', answer[counted])
    ends[subject] = math.max(ends[subject] or 0, start + seconds)
  end
  for subject, at in pairs(ends) do
    redis.call('EXPIREAT', KEYS[subject], at)
  end
end

return answer
