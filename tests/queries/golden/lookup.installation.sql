SELECT installation.id, installation.revision
FROM gendurable.installation
