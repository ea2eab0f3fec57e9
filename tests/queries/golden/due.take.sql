SELECT schedules.name, schedules.cron, schedules.timezone, schedules.missed, schedules.overlap, schedules.cron_override, schedules.timezone_override, schedules.paused_at, schedules.next_at, schedules.last_at, schedules.last_id, schedules.skipped_at, schedules.fired, schedules.skipped, schedules.error, schedules.inserted_at, schedules.updated_at, CAST(schedules.spec AS TEXT) AS spec, CAST(schedules.headers AS TEXT) AS headers, statement_timestamp() AS now
FROM gendurable.schedules
WHERE schedules.paused_at IS NULL AND schedules.error IS NULL AND schedules.next_at <= statement_timestamp() ORDER BY schedules.updated_at, schedules.name
 LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
