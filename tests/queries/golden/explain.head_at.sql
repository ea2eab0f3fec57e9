SELECT buckets.head_at
FROM gendurable.buckets
WHERE buckets.key = %(of_key)s::VARCHAR
