WITH deleted AS
(DELETE FROM gendurable.signals WHERE signals.id = any(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) AND signals.dedup_key IS NULL)
 UPDATE gendurable.signals SET consumed_at=statement_timestamp() WHERE signals.id = any(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) AND signals.dedup_key IS NOT NULL
