SELECT signals.id, signals.name, left(CAST(signals.payload AS TEXT), 20000) AS payload, signals.dedup_key, signals.inserted_at, signals.consumed_at
FROM gendurable.signals
WHERE signals.target_id = %(target)s::BIGINT AND signals.id > %(after)s::BIGINT ORDER BY signals.id
 LIMIT 26
