WITH deleted AS
(DELETE FROM gendurable.signals WHERE gendurable.signals.id = any(%(ids)s::BIGINT[]) AND gendurable.signals.dedup_key IS NULL)
 UPDATE gendurable.signals SET consumed_at=statement_timestamp() WHERE gendurable.signals.id = any(%(ids)s::BIGINT[]) AND gendurable.signals.dedup_key IS NOT NULL
