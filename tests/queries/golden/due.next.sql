SELECT CAST(EXTRACT(epoch FROM min(schedules.next_at) - statement_timestamp()) AS DOUBLE PRECISION) AS anon_1
FROM gendurable.schedules
WHERE schedules.paused_at IS NULL AND schedules.error IS NULL
