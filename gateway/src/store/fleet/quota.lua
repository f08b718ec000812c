-- Takes requests of a quota for one gateway.
--
-- The quota is a hash: the period that it is of, how many requests of that are taken, and how many there may
-- be where an operator has said so. What the gateway says that it has had counts, as in `bucket.lua`.
local quota, gateway = KEYS[1], KEYS[2]
local number, had, had_in = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local spent, wanted = tonumber(ARGV[4]), tonumber(ARGV[5])
local untold, untold_at, gateways = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local kind, limit, offset, since = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local remaining = tonumber(ARGV[13])
local DAY, STEP_BACK_MAX, FORGOTTEN = 86400, 3600, 7200

-- The day since 1970 on which a month begins that is counted from year 0. The civil calendar repeats itself
-- every 400 years, which are 146,097 days; its years are counted from March here, so that leap days are last.
local function month_begin(month)
    local year = math.floor(month / 12)
    local of_year = month % 12
    local from_march = (of_year + 10) % 12
    if of_year < 2 then
        year = year - 1
    end
    local day = math.floor((153 * from_march + 2) / 5)
    local leaps = math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    return year * 365 + leaps + day - 719468
end

local function period_of(seconds)
    local day = math.floor(seconds / DAY)
    if kind == 'day' then
        return day
    elseif kind == 'week' then
        -- 1970 began on a Thursday, and weeks begin on Sundays.
        return math.floor((day + 4) / 7)
    end
    -- An estimate that is never too late by more than a month, set right.
    local month = math.floor((day + 719468) / 30.436875)
    while month_begin(month) > day do
        month = month - 1
    end
    while month_begin(month + 1) <= day do
        month = month + 1
    end
    return month
end

local function begin_of(period)
    if kind == 'day' then
        return period * DAY
    elseif kind == 'week' then
        return (period * 7 - 4) * DAY
    end
    return month_begin(period) * DAY
end

local known_number, known_period, known = string.match(redis.call('GET', gateway) or '', '^(%d+) (%d+) (%-?%d+)$')
if known_number and tonumber(known_number) >= number then
    return {'late'}
end
local time = redis.call('TIME')
local now, microseconds = tonumber(time[1]), tonumber(time[2])
local period = period_of(now)
local stored = redis.call('HMGET', quota, 'period', 'taken', 'bound')
local stored_period = tonumber(stored[1] or '-1')
if stored_period > period and begin_of(stored_period) - now <= STEP_BACK_MAX then
    -- The clock was set back a little, or another server has it: the period that had begun goes on.
    period = stored_period
end
local taken, bound = 0, nil
if stored_period == period then
    taken, bound = tonumber(stored[2]), tonumber(stored[3] or '')
end
if had_in ~= period then
    had = 0
end

local lost = 0
local missing = 0
if had_in == period then
    local recorded = 0
    if known and tonumber(known_period) == period then
        recorded = tonumber(known)
    end
    missing = had - recorded
end
lost = math.max(missing, 0)
-- What it has admitted while nobody answered it counts in the period in which that was.
if period_of(untold_at) ~= period then
    untold = 0
end
spent = spent + untold
taken = math.max(taken + missing, 0) + spent
if remaining then
    bound = taken + remaining
end
local most = bound
if not most then
    most = limit
    if period_of(since) == period then
        most = math.max(limit - offset, 0)
    end
end
local left = math.max(most - taken, 0)
local given = math.min(wanted, left)
if given > 0 then
    given = math.min(given, math.max(math.floor(left / gateways), 1))
end
taken = taken + given
local finish = begin_of(period + 1)
redis.call('HSET', quota, 'period', string.format('%.0f', period), 'taken', string.format('%.0f', taken))
if bound then
    redis.call('HSET', quota, 'bound', string.format('%.0f', bound))
else
    redis.call('HDEL', quota, 'bound')
end
redis.call('EXPIREAT', quota, finish + DAY)
redis.call('SET', gateway, string.format('%.0f %.0f %.0f', number, period, had + spent + given), 'EX', FORGOTTEN)
local wait = math.max((finish - now) * 1000000 - microseconds, 1)
return {'given', given, left - given, wait, lost, untold, period}
