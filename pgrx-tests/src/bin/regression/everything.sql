-- Protects every table that the suite makes, the moment it is made: by its primary key, or else by its first column.
CREATE SCHEMA everything;
CREATE TABLE everything.outcome (command text, relation text, outcome text, message text);

CREATE FUNCTION everything.protect() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made record;
    said text;
    why text;
BEGIN
    FOR made IN SELECT * FROM pg_event_trigger_ddl_commands()
                WHERE object_type IN ('table', 'foreign table') AND schema_name <> 'pg_temp' LOOP
        BEGIN
            PERFORM backstop.protect(made.objid::regclass, key_columns => CASE
                WHEN NOT EXISTS (SELECT FROM pg_index WHERE indrelid = made.objid AND indisprimary)
                THEN (SELECT ARRAY[attname::text] FROM pg_attribute
                      WHERE attrelid = made.objid AND attnum > 0 AND NOT attisdropped ORDER BY attnum LIMIT 1) END);
            said := 'protected';
            why := NULL;
        EXCEPTION WHEN OTHERS THEN
            said := SQLSTATE;
            why := SQLERRM;
        END;
        INSERT INTO everything.outcome VALUES (made.command_tag, made.object_identity, said, why);
    END LOOP;
END $$;

CREATE EVENT TRIGGER everything ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE FOREIGN TABLE')
    EXECUTE FUNCTION everything.protect();
