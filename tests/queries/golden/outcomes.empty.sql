DELETE FROM gendurable.signals WHERE signals.target_id = %(target)s::BIGINT
