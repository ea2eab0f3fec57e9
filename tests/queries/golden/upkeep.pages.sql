SELECT pg_class.relpages, pg_relation_size(pg_class.oid) / current_setting('block_size')::bigint AS anon_1
FROM pg_class
WHERE pg_class.oid = to_regclass(%(name)s::VARCHAR)
