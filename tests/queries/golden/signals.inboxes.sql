SELECT signals.target_id, signals.id, signals.name, CAST(signals.payload AS TEXT) AS payload, signals.dedup_key, signals.inserted_at
FROM gendurable.signals
WHERE signals.target_id = any(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) AND signals.consumed_at IS NULL ORDER BY signals.id
