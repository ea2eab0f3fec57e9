SELECT relname AS name, n_live_tup AS live, n_dead_tup AS dead, CAST(EXTRACT(epoch FROM statement_timestamp() - coalesce(greatest(last_vacuum, last_autovacuum), pg_postmaster_start_time())) AS DOUBLE PRECISION) AS unswept
FROM pg_stat_user_tables
WHERE schemaname = %(in_schema)s::VARCHAR ORDER BY relname
