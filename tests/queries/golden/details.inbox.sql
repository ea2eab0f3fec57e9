SELECT gendurable.signals.id, gendurable.signals.name, left(CAST(gendurable.signals.payload AS TEXT), 20000) AS payload, gendurable.signals.dedup_key, gendurable.signals.inserted_at, gendurable.signals.consumed_at
FROM gendurable.signals
WHERE gendurable.signals.target_id = %(target)s::BIGINT AND gendurable.signals.id > %(after)s::BIGINT ORDER BY gendurable.signals.id
 LIMIT 26
