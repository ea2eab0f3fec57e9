DELETE FROM gendurable.nodes WHERE gendurable.nodes.beat_at < statement_timestamp() - interval '1 day'
