DELETE FROM gendurable.nodes WHERE nodes.beat_at < statement_timestamp() - interval '1 day'
