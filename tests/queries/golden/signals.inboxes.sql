SELECT gendurable.signals.target_id, gendurable.signals.id, gendurable.signals.name, CAST(gendurable.signals.payload AS TEXT) AS payload, gendurable.signals.dedup_key, gendurable.signals.inserted_at
FROM gendurable.signals
WHERE gendurable.signals.target_id = any(%(ids)s::BIGINT[]) AND gendurable.signals.consumed_at IS NULL ORDER BY gendurable.signals.id
