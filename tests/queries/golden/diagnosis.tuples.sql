SELECT relname AS name, n_live_tup AS live, n_dead_tup AS dead
FROM pg_stat_user_tables
WHERE schemaname = %(in_schema)s::VARCHAR ORDER BY relname
