WITH deleted AS
(DELETE FROM gendurable.signals WHERE signals.id = any(%(ids)s::BIGINT[]) AND signals.dedup_key IS NULL)
 UPDATE gendurable.signals SET consumed_at=statement_timestamp() WHERE signals.id = any(%(ids)s::BIGINT[]) AND signals.dedup_key IS NOT NULL
