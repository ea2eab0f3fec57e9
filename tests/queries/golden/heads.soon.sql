SELECT CAST(EXTRACT(epoch FROM min(buckets.head_at) - statement_timestamp()) AS DOUBLE PRECISION) AS anon_1
FROM gendurable.buckets
