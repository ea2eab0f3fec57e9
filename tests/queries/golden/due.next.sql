SELECT CAST(EXTRACT(epoch FROM min(gendurable.schedules.next_at) - statement_timestamp()) AS DOUBLE PRECISION) AS anon_1
FROM gendurable.schedules
WHERE gendurable.schedules.paused_at IS NULL AND gendurable.schedules.error IS NULL
