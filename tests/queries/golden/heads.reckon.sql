WITH moved AS MATERIALIZED
(SELECT buckets.key
FROM gendurable.buckets
WHERE buckets.key = any(CAST((SELECT %(moved)s::TEXT[] AS anon_1) AS TEXT[])) AND buckets.head_at > statement_timestamp() ORDER BY buckets.key FOR UPDATE SKIP LOCKED)
 UPDATE gendurable.buckets SET head_at=statement_timestamp() WHERE buckets.key = any(array((SELECT moved.key
FROM moved)))
