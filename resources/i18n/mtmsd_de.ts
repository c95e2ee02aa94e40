<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
    <context>
        <name>AccuracySection</name>
        <message>
            <source>7  Accuracy</source>
            <translation>7  Genauigkeit</translation>
        </message>
        <message>
            <source>Overall: share of the reference pixels that are mapped right; average: mean of the producer's accuracies; κ: Cohen's kappa, 1 at most</source>
            <translation>Gesamt: Anteil der richtig kartierten Referenzpixel; Mittel: Mittelwert der Produzentengenauigkeiten; κ: Cohens Kappa, höchstens 1</translation>
        </message>
        <message>
            <source>How the pixels that were compared are held apart</source>
            <translation>Wie die verglichenen Pixel getrennt gehalten werden</translation>
        </message>
        <message>
            <source>Producer's accuracy: share of a class's reference pixels that are mapped as it; user's accuracy: share of the pixels mapped as it that are it; F1: their harmonic mean</source>
            <translation>Produzentengenauigkeit: Anteil der Referenzpixel einer Klasse, die als diese kartiert sind; Nutzergenauigkeit: Anteil der als Klasse kartierten Pixel, die es wirklich sind; F1: harmonisches Mittel der beiden</translation>
        </message>
        <message>
            <source>The same pixels by methods that see spectra only</source>
            <translation>Dieselben Pixel mit Verfahren, die nur Spektren sehen</translation>
        </message>
        <message>
            <source>No reference polygons</source>
            <translation>Keine Referenzpolygone</translation>
        </message>
        <message>
            <source>Polygons of known class that did not train the map; by their class field</source>
            <translation>Polygone bekannter Klasse, mit denen die Karte nicht trainiert wurde; nach ihrem Klassenfeld</translation>
        </message>
        <message>
            <source>R&amp;eference</source>
            <translation>Refere&amp;nz</translation>
        </message>
        <message>
            <source>&amp;Assess</source>
            <translation>&amp;Bewerten</translation>
        </message>
        <message>
            <source>Ope&amp;n Report</source>
            <translation>Bericht &amp;öffnen</translation>
        </message>
        <message>
            <source>Doubtful Polygons</source>
            <translation>Zweifelhafte Polygone</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Wählen Sie zuerst eine Szene.</translation>
        </message>
        <message>
            <source>Map the scene first.</source>
            <translation>Kartieren Sie zuerst die Szene.</translation>
        </message>
        <message>
            <source>Choose reference polygons.</source>
            <translation>Wählen Sie Referenzpolygone.</translation>
        </message>
        <message>
            <source>Compare the class map with the reference and write a report</source>
            <translation>Die Klassenkarte mit der Referenz vergleichen und einen Bericht schreiben</translation>
        </message>
        <message>
            <source>Not among the map's classes, so counted as wrong: {}</source>
            <translation>Nicht unter den Klassen der Karte, darum als falsch gezählt: {}</translation>
        </message>
        <message>
            <source>Show the training polygons that the others call another class</source>
            <translation>Die Trainingspolygone zeigen, die nach den übrigen zu einer anderen Klasse gehören</translation>
        </message>
        <message>
            <source>Choose the stack under More and map: it tells which ones they are.</source>
            <translation>Wählen Sie unter Mehr das Stacking und kartieren Sie: es zeigt, welche es sind.</translation>
        </message>
        <message>
            <source>Comparing the map with the reference…</source>
            <translation>Die Karte wird mit der Referenz verglichen…</translation>
        </message>
        <message>
            <source>Overall accuracy {} on {} reference pixels</source>
            <translation>Gesamtgenauigkeit {} auf {} Referenzpixeln</translation>
        </message>
        <message>
            <source>No polygons were held out; choose reference polygons.</source>
            <translation>Es wurden keine Polygone zurückgehalten; wählen Sie Referenzpolygone.</translation>
        </message>
        <message>
            <source>Open the full report in the browser</source>
            <translation>Den vollständigen Bericht im Browser öffnen</translation>
        </message>
        <message>
            <source>Write the report of the held-out polygons and open it</source>
            <translation>Den Bericht der zurückgehaltenen Polygone schreiben und öffnen</translation>
        </message>
        <message>
            <source>There is no accuracy yet: map the scene.</source>
            <translation>Noch keine Genauigkeit: kartieren Sie die Szene.</translation>
        </message>
        <message>
            <source>Overall &lt;b&gt;{}&lt;/b&gt; · average &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{}&lt;/b&gt;</source>
            <translation>Gesamt &lt;b&gt;{}&lt;/b&gt; · Mittel &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{}&lt;/b&gt;</translation>
        </message>
        <message>
            <source>Spectra alone, same pixels:</source>
            <translation>Nur Spektren, dieselben Pixel:</translation>
        </message>
        <message>
            <source>No spectral baseline was computed.</source>
            <translation>Es wurde kein spektraler Vergleich berechnet.</translation>
        </message>
        <message>
            <source>Producer's</source>
            <translation>Produzent</translation>
        </message>
        <message>
            <source>User's</source>
            <translation>Nutzer</translation>
        </message>
        <message>
            <source>F1</source>
            <translation>F1</translation>
        </message>
        <message>
            <source>Assessing the map</source>
            <translation>Karte wird bewertet</translation>
        </message>
        <message>
            <source>The report cannot be opened; it is {}.</source>
            <translation>Der Bericht lässt sich nicht öffnen; er liegt in {}.</translation>
        </message>
        <message>
            <source>Doubtful polygons</source>
            <translation>Zweifelhafte Polygone</translation>
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation>{} kann nicht als Vektorlayer geöffnet werden.</translation>
        </message>
        <message>
            <source>Polygons that disagree with their class: {}; the layer's table tells which class they fit.</source>
            <translation>Polygone, die ihrer Klasse widersprechen: {}; die Tabelle des Layers zeigt, zu welcher sie passen.</translation>
        </message>
        <message>
            <source>No polygon disagrees with its class.</source>
            <translation>Kein Polygon widerspricht seiner Klasse.</translation>
        </message>
    </context>
    <context>
        <name>AreaFiles</name>
        <message>
            <source>From File…</source>
            <translation>Aus Datei…</translation>
        </message>
        <message>
            <source>Polygons, a label raster, SCP's .scpx, or ENVI's ROIs (.xml, .roi as text)</source>
            <translation>Polygone, ein Raster mit Klassennummern, .scpx von SCP oder ROIs von ENVI (.xml, .roi als Text)</translation>
        </message>
        <message>
            <source>Export Training Pixels…</source>
            <translation>Trainingspixel exportieren…</translation>
        </message>
        <message>
            <source>Each pixel with its class and band values: GeoPackage and CSV</source>
            <translation>Jedes Pixel mit Klasse und Kanalwerten: GeoPackage und CSV</translation>
        </message>
        <message>
            <source>Take Polygons from a File</source>
            <translation>Polygone aus einer Datei übernehmen</translation>
        </message>
        <message>
            <source>Training areas</source>
            <translation>Trainingsgebiete</translation>
        </message>
        <message>
            <source>All files</source>
            <translation>Alle Dateien</translation>
        </message>
        <message>
            <source>{} has several layers; add the one that is meant to the project.</source>
            <translation>{} hat mehrere Layer; fügen Sie den gemeinten dem Projekt hinzu.</translation>
        </message>
        <message>
            <source>{} holds neither polygons nor a raster of class numbers.</source>
            <translation>{} enthält weder Polygone noch ein Raster mit Klassennummern.</translation>
        </message>
    </context>
    <context>
        <name>Attached</name>
        <message>
            <source>The job in {} was never begun.</source>
            <translation>Der Auftrag in {} wurde nie begonnen.</translation>
        </message>
    </context>
    <context>
        <name>BetterBaseline</name>
        <message>
            <source>Map with That One</source>
            <translation>Damit kartieren</translation>
        </message>
        <message>
            <source>Choose it in the Map section and map the scene again</source>
            <translation>Im Abschnitt Karte wählen und die Szene neu kartieren</translation>
        </message>
        <message>
            <source>A simpler classifier did clearly better: {}, overall accuracy {} against {}.</source>
            <translation>Ein einfacherer Klassifikator war deutlich besser: {}, Gesamtgenauigkeit {} gegenüber {}.</translation>
        </message>
    </context>
    <context>
        <name>ClassSchemes</name>
        <message>
            <source>Class schemes (*.csv *.qml)</source>
            <translation>Klassenschemata (*.csv *.qml)</translation>
        </message>
        <message>
            <source>Load a Class Scheme…</source>
            <translation>Klassenschema laden…</translation>
        </message>
        <message>
            <source>Classes from a CSV (value, name, colour) or a style (QML)</source>
            <translation>Klassen aus einer CSV (value, name, colour) oder einem Stil (QML)</translation>
        </message>
        <message>
            <source>Save the Class Scheme…</source>
            <translation>Klassenschema speichern…</translation>
        </message>
        <message>
            <source>The classes as a CSV (value, name, colour) or a style (QML)</source>
            <translation>Die Klassen als CSV (value, name, colour) oder Stil (QML)</translation>
        </message>
        <message>
            <source>Load a Class Scheme</source>
            <translation>Klassenschema laden</translation>
        </message>
        <message>
            <source>{} classes were loaded from {}.</source>
            <translation>{} Klassen aus {} geladen.</translation>
        </message>
        <message>
            <source>Of another number than in the file: {}.</source>
            <translation>Andere Nummer als in der Datei: {}.</translation>
        </message>
        <message>
            <source>Save the Class Scheme</source>
            <translation>Klassenschema speichern</translation>
        </message>
        <message>
            <source>The classes were saved to {}.</source>
            <translation>Die Klassen wurden in {} gespeichert.</translation>
        </message>
    </context>
    <context>
        <name>ClassesSection</name>
        <message>
            <source>3  Classes</source>
            <translation>3  Klassen</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Name</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polygone</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Pixel</translation>
        </message>
        <message>
            <source>Double-click a name or a colour to change it; the selected class is drawn</source>
            <translation>Doppelklick auf Name oder Farbe ändert sie; die gewählte Klasse wird gezeichnet</translation>
        </message>
        <message>
            <source>From &amp;Layer</source>
            <translation>Aus La&amp;yer</translation>
        </message>
        <message>
            <source>Give the selected polygons this class</source>
            <translation>Den gewählten Polygonen diese Klasse geben</translation>
        </message>
        <message>
            <source>Class {}; double-click to recolour</source>
            <translation>Klasse {}; Doppelklick ändert die Farbe</translation>
        </message>
        <message>
            <source>{} (key {})</source>
            <translation>{} (Taste {})</translation>
        </message>
        <message>
            <source>Spectra of a library: {}</source>
            <translation>Spektren einer Bibliothek: {}</translation>
        </message>
        <message>
            <source>Too few: at least {} pixels are needed</source>
            <translation>Zu wenige: mindestens {} Pixel sind nötig</translation>
        </message>
        <message>
            <source>Few: draw some more, {} pixels or so</source>
            <translation>Wenige: zeichnen Sie mehr, etwa {} Pixel</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Wählen Sie zuerst eine Szene.</translation>
        </message>
        <message>
            <source>Reading the layer…</source>
            <translation>Der Layer wird gelesen…</translation>
        </message>
        <message>
            <source>Add a class, or take classes from a layer.</source>
            <translation>Fügen Sie eine Klasse hinzu oder übernehmen Sie Klassen aus einem Layer.</translation>
        </message>
        <message>
            <source>One class; add a second one.</source>
            <translation>Eine Klasse; fügen Sie eine zweite hinzu.</translation>
        </message>
        <message>
            <source>Too few pixels: {}</source>
            <translation>Zu wenige Pixel: {}</translation>
        </message>
        <message>
            <source>{} classes, {} pixels</source>
            <translation>{} Klassen, {} Pixel</translation>
        </message>
        <message>
            <source>from a library alone: {}</source>
            <translation>nur aus einer Bibliothek: {}</translation>
        </message>
        <message>
            <source>{} are in two classes: the later polygon counts</source>
            <translation>{} in zwei Klassen: das spätere Polygon zählt</translation>
        </message>
        <message>
            <source>{} outside the scene or without data</source>
            <translation>{} außerhalb der Szene oder ohne Daten</translation>
        </message>
        <message>
            <source>{} without a class</source>
            <translation>{} ohne Klasse</translation>
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation>Warten Sie, bis der Layer gelesen ist.</translation>
        </message>
        <message>
            <source>Select two or more classes (Ctrl and click).</source>
            <translation>Wählen Sie mindestens zwei Klassen (Strg und Klick).</translation>
        </message>
        <message>
            <source>Select a class.</source>
            <translation>Wählen Sie eine Klasse.</translation>
        </message>
        <message>
            <source>Add a class</source>
            <translation>Klasse hinzufügen</translation>
        </message>
        <message>
            <source>Merge the selected classes into the first</source>
            <translation>Die gewählten Klassen zur ersten zusammenführen</translation>
        </message>
        <message>
            <source>Delete the selected classes and their polygons</source>
            <translation>Die gewählten Klassen mit ihren Polygonen löschen</translation>
        </message>
        <message>
            <source>Take classes and polygons from a polygon layer or a label raster</source>
            <translation>Klassen und Polygone aus einem Polygonlayer oder einem Raster mit Klassennummern übernehmen</translation>
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation>Wählen Sie zuerst Polygone.</translation>
        </message>
        <message>
            <source>Deleted {} with all polygons; Undo brings them back.</source>
            <translation>{} mit allen Polygonen gelöscht; Rückgängig holt sie zurück.</translation>
        </message>
        <message>
            <source>There is a class '{}' already; merge the two instead.</source>
            <translation>Es gibt schon eine Klasse '{}'; führen Sie die beiden zusammen.</translation>
        </message>
        <message>
            <source>Colour of {}</source>
            <translation>Farbe von {}</translation>
        </message>
        <message>
            <source>No polygon layer or label raster in the project</source>
            <translation>Kein Polygonlayer und kein Raster mit Klassennummern im Projekt</translation>
        </message>
        <message>
            <source>{} taken from {}.</source>
            <translation>{} aus {} übernommen.</translation>
        </message>
    </context>
    <context>
        <name>Comparison</name>
        <message>
            <source>Flic&amp;ker</source>
            <translation>Blin&amp;ken</translation>
        </message>
        <message>
            <source>Swipe</source>
            <translation>Wischen</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Zuerst kommt Szene kartieren.</translation>
        </message>
        <message>
            <source>Show the map and the scene in turn</source>
            <translation>Karte und Szene abwechselnd zeigen</translation>
        </message>
        <message>
            <source>A line in the map window parts the map from the scene</source>
            <translation>Eine Linie im Kartenfenster trennt Karte und Szene</translation>
        </message>
    </context>
    <context>
        <name>Engine</name>
        <message>
            <source>MTMSD Engine</source>
            <translation>MTMSD-Engine</translation>
        </message>
    </context>
    <context>
        <name>EngineFacts</name>
        <message>
            <source>State</source>
            <translation>Zustand</translation>
        </message>
        <message>
            <source>Ready, outdated, broken or being checked</source>
            <translation>Bereit, veraltet, defekt oder in Prüfung</translation>
        </message>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>The version of plugin and engine</source>
            <translation>Version von Plugin und Engine</translation>
        </message>
        <message>
            <source>Python</source>
            <translation>Python</translation>
        </message>
        <message>
            <source>The engine's interpreter</source>
            <translation>Der Interpreter der Engine</translation>
        </message>
        <message>
            <source>PyTorch</source>
            <translation>PyTorch</translation>
        </message>
        <message>
            <source>The library that learns</source>
            <translation>Die Bibliothek, die lernt</translation>
        </message>
        <message>
            <source>Devices</source>
            <translation>Geräte</translation>
        </message>
        <message>
            <source>What computes, and its free memory</source>
            <translation>Was rechnet, und wie viel Speicher dort frei ist</translation>
        </message>
        <message>
            <source>not looked at yet: Verify tells</source>
            <translation>noch nicht geprüft: Prüfen zeigt es</translation>
        </message>
        <message>
            <source>none; ONNX Runtime {}, which classifies only</source>
            <translation>keines; ONNX Runtime {}, die nur klassifiziert</translation>
        </message>
        <message>
            <source>{} does not compute: {}</source>
            <translation>{} rechnet nicht: {}</translation>
        </message>
        <message>
            <source>{}: {} free</source>
            <translation>{}: {} frei</translation>
        </message>
    </context>
    <context>
        <name>EnginePanel</name>
        <message>
            <source>Set Up Engine…</source>
            <translation>Engine einrichten…</translation>
        </message>
        <message>
            <source>Says what is installed, from where and how large, before anything is done</source>
            <translation>Zeigt vorher, was installiert wird, woher es kommt und wie groß es ist</translation>
        </message>
        <message>
            <source>Choose Interpreter…</source>
            <translation>Interpreter wählen…</translation>
        </message>
        <message>
            <source>The python program of an environment that has the engine's libraries already</source>
            <translation>Das Programm python einer Umgebung, die die Bibliotheken der Engine schon hat</translation>
        </message>
        <message>
            <source>&amp;Verify</source>
            <translation>&amp;Prüfen</translation>
        </message>
        <message>
            <source>Start the engine: imports, a computation on each device, a raster</source>
            <translation>Die Engine starten: Importe, eine Rechnung auf jedem Gerät, ein Raster</translation>
        </message>
        <message>
            <source>&amp;Update…</source>
            <translation>Akt&amp;ualisieren…</translation>
        </message>
        <message>
            <source>Set the engine up anew; the old one stays until the new one works</source>
            <translation>Die Engine neu einrichten; die alte bleibt, bis die neue funktioniert</translation>
        </message>
        <message>
            <source>&amp;Remove…</source>
            <translation>Entfe&amp;rnen…</translation>
        </message>
        <message>
            <source>Delete the engine's environment; models and maps stay</source>
            <translation>Die Umgebung der Engine löschen; Modelle und Karten bleiben</translation>
        </message>
        <message>
            <source>Copy &amp;Diagnostics</source>
            <translation>&amp;Diagnose kopieren</translation>
        </message>
        <message>
            <source>Put one text on the clipboard that tells a helper all; without names</source>
            <translation>Alles, was zur Fehlersuche nötig ist, als Text in die Zwischenablage kopieren; ohne Namen</translation>
        </message>
        <message>
            <source>More</source>
            <translation>Mehr</translation>
        </message>
        <message>
            <source>Verify, update or remove the engine; copy diagnostics</source>
            <translation>Die Engine prüfen, aktualisieren oder entfernen; Diagnose kopieren</translation>
        </message>
        <message>
            <source>The engine is being set up; QGIS can be used meanwhile.</source>
            <translation>Die Engine wird eingerichtet; QGIS kann weiter benutzt werden.</translation>
        </message>
        <message>
            <source>Show Set-Up…</source>
            <translation>Einrichtung zeigen…</translation>
        </message>
        <message>
            <source>The engine is started: this takes up to a minute…</source>
            <translation>Die Engine wird gestartet: das dauert bis zu einer Minute…</translation>
        </message>
        <message>
            <source>Verified: the engine computes, and reads and writes rasters.</source>
            <translation>Geprüft: die Engine rechnet, liest und schreibt Raster.</translation>
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation>Warten Sie, bis die Engine eingerichtet ist.</translation>
        </message>
        <message>
            <source>Wait until the engine is removed.</source>
            <translation>Warten Sie, bis die Engine entfernt ist.</translation>
        </message>
        <message>
            <source>Wait for the check.</source>
            <translation>Warten Sie auf die Prüfung.</translation>
        </message>
        <message>
            <source>There is no engine yet.</source>
            <translation>Es gibt noch keine Engine.</translation>
        </message>
        <message>
            <source>There is no engine that was set up here.</source>
            <translation>Es gibt keine hier eingerichtete Engine.</translation>
        </message>
        <message>
            <source>Choose the Engine's Python</source>
            <translation>Das Python der Engine wählen</translation>
        </message>
        <message>
            <source>Remove the Engine</source>
            <translation>Engine entfernen</translation>
        </message>
        <message>
            <source>Delete the engine's environment in {}?</source>
            <translation>Die Umgebung der Engine in {} löschen?</translation>
        </message>
        <message>
            <source>Models, maps and jobs stay.</source>
            <translation>Modelle, Karten und Aufträge bleiben.</translation>
        </message>
        <message>
            <source>&amp;Remove</source>
            <translation>Entfe&amp;rnen</translation>
        </message>
        <message>
            <source>&amp;Keep</source>
            <translation>&amp;Behalten</translation>
        </message>
        <message>
            <source>Looking at the machine…</source>
            <translation>Der Rechner wird untersucht…</translation>
        </message>
        <message>
            <source>Copied: paste it into your report.</source>
            <translation>Kopiert: fügen Sie es in Ihre Meldung ein.</translation>
        </message>
    </context>
    <context>
        <name>EngineSection</name>
        <message>
            <source>Engine</source>
            <translation>Engine</translation>
        </message>
        <message>
            <source>Being set up</source>
            <translation>Wird eingerichtet</translation>
        </message>
    </context>
    <context>
        <name>Facts</name>
        <message>
            <source>The engine cannot be started: {}.</source>
            <translation>Die Engine kann nicht gestartet werden: {}.</translation>
        </message>
        <message>
            <source>The engine said nothing about the raster.</source>
            <translation>Die Engine hat nichts über das Raster gesagt.</translation>
        </message>
    </context>
    <context>
        <name>FirstSteps</name>
        <message>
            <source>First steps</source>
            <translation>Erste Schritte</translation>
        </message>
        <message>
            <source>Close this card for good</source>
            <translation>Diesen Hinweis dauerhaft schließen</translation>
        </message>
        <message>
            <source>Try the Sample Scene</source>
            <translation>Beispielszene ausprobieren</translation>
        </message>
        <message>
            <source>Open the scene that comes along, with classes and polygons, as a project</source>
            <translation>Die mitgelieferte Szene mit Klassen und Polygonen als Projekt öffnen</translation>
        </message>
        <message>
            <source>Tutorial</source>
            <translation>Tutorial</translation>
        </message>
        <message>
            <source>From the sample to a map, step by step, in the browser</source>
            <translation>Vom Beispiel zur Karte, Schritt für Schritt, im Browser</translation>
        </message>
        <message>
            <source>Go to this section</source>
            <translation>Zu diesem Abschnitt gehen</translation>
        </message>
        <message>
            <source>Nothing waits for you.</source>
            <translation>Im Moment ist nichts zu tun.</translation>
        </message>
        <message>
            <source>Next, {}: {}</source>
            <translation>Weiter mit {}: {}</translation>
        </message>
    </context>
    <context>
        <name>ImportDialog</name>
        <message>
            <source>Take Polygons from {}</source>
            <translation>Polygone aus {} übernehmen</translation>
        </message>
        <message>
            <source>Numbers or names of the classes</source>
            <translation>Nummern oder Namen der Klassen</translation>
        </message>
        <message>
            <source>The field {} was guessed by its name.</source>
            <translation>Das Feld {} wurde nach seinem Namen vermutet.</translation>
        </message>
        <message>
            <source>Class &amp;field</source>
            <translation>Klassen&amp;feld</translation>
        </message>
        <message>
            <source>In the layer</source>
            <translation>Im Layer</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polygone</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Pixel</translation>
        </message>
        <message>
            <source>Becomes</source>
            <translation>Wird zu</translation>
        </message>
        <message>
            <source>&amp;Merge names that differ in capitals or blanks only</source>
            <translation>&amp;Zusammenführen, was sich nur in Großschreibung oder Leerzeichen unterscheidet</translation>
        </message>
        <message>
            <source>&amp;Take Polygons</source>
            <translation>Polygone über&amp;nehmen</translation>
        </message>
        <message>
            <source>Choose the field that holds the classes.</source>
            <translation>Wählen Sie das Feld, in dem die Klassen stehen.</translation>
        </message>
        <message>
            <source>Reading…</source>
            <translation>Wird gelesen…</translation>
        </message>
    </context>
    <context>
        <name>JobsSection</name>
        <message>
            <source>8  Jobs</source>
            <translation>8  Aufträge</translation>
        </message>
        <message>
            <source>Job</source>
            <translation>Auftrag</translation>
        </message>
        <message>
            <source>Started</source>
            <translation>Begonnen</translation>
        </message>
        <message>
            <source>State</source>
            <translation>Zustand</translation>
        </message>
        <message>
            <source>The newest jobs; each has a folder with its log</source>
            <translation>Die neuesten Aufträge; jeder hat einen Ordner mit seinem Protokoll</translation>
        </message>
        <message>
            <source>S&amp;how Log…</source>
            <translation>P&amp;rotokoll…</translation>
        </message>
        <message>
            <source>&amp;Job Folder</source>
            <translation>&amp;Auftragsordner</translation>
        </message>
        <message>
            <source>Cancel Job…</source>
            <translation>Abbrechen…</translation>
        </message>
        <message>
            <source>{} running</source>
            <translation>{} laufend</translation>
        </message>
        <message>
            <source>None running; {ended} ended, the last with {warnings}</source>
            <translation>Keiner läuft; {ended} beendet, der letzte mit {warnings}</translation>
        </message>
        <message>
            <source>None running; {} ended</source>
            <translation>Keiner läuft; {} beendet</translation>
        </message>
        <message>
            <source>No jobs yet.</source>
            <translation>Noch keine Aufträge.</translation>
        </message>
        <message>
            <source>running</source>
            <translation>läuft</translation>
        </message>
        <message>
            <source>done</source>
            <translation>fertig</translation>
        </message>
        <message>
            <source>canceled</source>
            <translation>abgebrochen</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>fehlgeschlagen</translation>
        </message>
        <message>
            <source>Select a job.</source>
            <translation>Wählen Sie einen Auftrag.</translation>
        </message>
        <message>
            <source>Show what the job said</source>
            <translation>Zeigen, was der Auftrag gemeldet hat</translation>
        </message>
        <message>
            <source>Open the job's folder</source>
            <translation>Den Ordner des Auftrags öffnen</translation>
        </message>
        <message>
            <source>The job does not run any more.</source>
            <translation>Der Auftrag läuft nicht mehr.</translation>
        </message>
        <message>
            <source>Stop this job</source>
            <translation>Diesen Auftrag anhalten</translation>
        </message>
        <message>
            <source>Log of {}</source>
            <translation>Protokoll von {}</translation>
        </message>
        <message>
            <source>Job of Another QGIS</source>
            <translation>Auftrag eines anderen QGIS</translation>
        </message>
        <message>
            <source>Whoever started it waits for its result.</source>
            <translation>Wer ihn gestartet hat, wartet auf sein Ergebnis.</translation>
        </message>
        <message>
            <source>Cancel Their Job</source>
            <translation>Fremden Auftrag abbrechen</translation>
        </message>
        <message>
            <source>Let It Go On</source>
            <translation>Weiterlaufen lassen</translation>
        </message>
    </context>
    <context>
        <name>LabelPoints</name>
        <message>
            <source>The two classes that are in doubt there</source>
            <translation>Die beiden Klassen, die dort in Frage kommen</translation>
        </message>
        <message>
            <source>Label It</source>
            <translation>Klasse geben</translation>
        </message>
        <message>
            <source>Give this pixel a class, as a training polygon</source>
            <translation>Diesem Pixel als Trainingspolygon eine Klasse geben</translation>
        </message>
        <message>
            <source>Next Point</source>
            <translation>Nächster Punkt</translation>
        </message>
        <message>
            <source>Leave this one and go to the next</source>
            <translation>Diesen auslassen und zum nächsten gehen</translation>
        </message>
        <message>
            <source>Zoom to It</source>
            <translation>Hinzoomen</translation>
        </message>
        <message>
            <source>Show the point in the middle of the map window</source>
            <translation>Den Punkt in der Mitte des Kartenfensters zeigen</translation>
        </message>
        <message>
            <source>See-through map</source>
            <translation>Karte durchscheinend</translation>
        </message>
        <message>
            <source>The scene shines through the map while the points are visited</source>
            <translation>Die Szene scheint durch die Karte, während die Punkte besucht werden</translation>
        </message>
        <message>
            <source>Point {} of {}: {} or {}?</source>
            <translation>Punkt {} von {}: {} oder {}?</translation>
        </message>
        <message>
            <source>That was the last point. Map anew to see what it gained.</source>
            <translation>Das war der letzte Punkt. Kartieren Sie neu, um den Gewinn zu sehen.</translation>
        </message>
        <message>
            <source>The point cannot be brought into the map window's coordinates.</source>
            <translation>Der Punkt lässt sich nicht in die Koordinaten des Kartenfensters umrechnen.</translation>
        </message>
    </context>
    <context>
        <name>LabellingKeys</name>
        <message>
            <source>MTMSD: take class {} of the table</source>
            <translation>MTMSD: Klasse {} der Tabelle wählen</translation>
        </message>
        <message>
            <source>MTMSD: {}</source>
            <translation>MTMSD: {}</translation>
        </message>
        <message>
            <source>draw a polygon</source>
            <translation>Polygon zeichnen</translation>
        </message>
        <message>
            <source>draw a rectangle</source>
            <translation>Rechteck zeichnen</translation>
        </message>
        <message>
            <source>draw freehand</source>
            <translation>freihändig zeichnen</translation>
        </message>
        <message>
            <source>grow a region</source>
            <translation>Region wachsen lassen</translation>
        </message>
        <message>
            <source>undo a step of the training polygons</source>
            <translation>einen Schritt der Trainingspolygone rückgängig machen</translation>
        </message>
        <message>
            <source>give the selected polygons the class</source>
            <translation>den gewählten Polygonen die Klasse geben</translation>
        </message>
        <message>
            <source>next point to label</source>
            <translation>nächster vorgeschlagener Punkt</translation>
        </message>
        <message>
            <source>MTMSD: end the polygon or take the region</source>
            <translation>MTMSD: Polygon beenden oder Region übernehmen</translation>
        </message>
        <message>
            <source>MTMSD: give the point to label the class</source>
            <translation>MTMSD: dem vorgeschlagenen Punkt die Klasse geben</translation>
        </message>
    </context>
    <context>
        <name>LayoutButton</name>
        <message>
            <source>Print Layout</source>
            <translation>Drucklayout</translation>
        </message>
        <message>
            <source>As PDF…</source>
            <translation>Als PDF…</translation>
        </message>
        <message>
            <source>As PNG…</source>
            <translation>Als PNG…</translation>
        </message>
        <message>
            <source>A page with map, legend with areas, scale, north, accuracy and attribution</source>
            <translation>Eine Seite mit Karte, Legende samt Flächen, Maßstab, Nordpfeil, Genauigkeit und Quellenangabe</translation>
        </message>
        <message>
            <source>Save the Print Layout</source>
            <translation>Drucklayout speichern</translation>
        </message>
        <message>
            <source>The page was saved to {}.</source>
            <translation>Die Seite wurde in {} gespeichert.</translation>
        </message>
        <message>
            <source>{} cannot be written.</source>
            <translation>{} kann nicht geschrieben werden.</translation>
        </message>
        <message>
            <source>Class map of {}</source>
            <translation>Klassenkarte von {}</translation>
        </message>
        <message>
            <source>{} px</source>
            <translation>{} px</translation>
        </message>
        <message>
            <source>The accuracy of this map was not assessed.</source>
            <translation>Die Genauigkeit dieser Karte wurde nicht bewertet.</translation>
        </message>
        <message>
            <source>Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.</source>
            <translation>Gesamtgenauigkeit {overall}, Kappa {kappa}, auf {n} Referenzpixeln.</translation>
        </message>
        <message>
            <source>Data: {}</source>
            <translation>Daten: {}</translation>
        </message>
        <message>
            <source>Classified by MTMSD for QGIS, {}</source>
            <translation>Klassifiziert mit MTMSD für QGIS, {}</translation>
        </message>
    </context>
    <context>
        <name>LossCurve</name>
        <message>
            <source>Loss: waiting for the first steps</source>
            <translation>Verlust: wartet auf die ersten Schritte</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>Verlust</translation>
        </message>
        <message>
            <source>step {}</source>
            <translation>Schritt {}</translation>
        </message>
    </context>
    <context>
        <name>MTMSD</name>
        <message>
            <source>1 polygon</source>
            <translation>1 Polygon</translation>
        </message>
        <message numerus="yes">
            <source>%Ln polygons</source>
            <translation>
                <numerusform>%Ln Polygon</numerusform>
                <numerusform>%Ln Polygone</numerusform>
            </translation>
        </message>
        <message>
            <source>1 pixel</source>
            <translation>1 Pixel</translation>
        </message>
        <message numerus="yes">
            <source>%Ln pixels</source>
            <translation>
                <numerusform>%Ln Pixel</numerusform>
                <numerusform>%Ln Pixel</numerusform>
            </translation>
        </message>
        <message>
            <source>1 warning</source>
            <translation>1 Warnung</translation>
        </message>
        <message numerus="yes">
            <source>%Ln warnings</source>
            <translation>
                <numerusform>%Ln Warnung</numerusform>
                <numerusform>%Ln Warnungen</numerusform>
            </translation>
        </message>
        <message>
            <source>no message</source>
            <translation>keine Meldung</translation>
        </message>
        <message>
            <source>{} could not be read: {}.</source>
            <translation>{} konnte nicht gelesen werden: {}.</translation>
        </message>
        <message>
            <source>the plugin's setting {}</source>
            <translation>die Einstellung {} des Plugins</translation>
        </message>
        <message>
            <source>the environment variable {}</source>
            <translation>die Umgebungsvariable {}</translation>
        </message>
        <message>
            <source>the plugin's own environment folder</source>
            <translation>den eigenen Umgebungsordner des Plugins</translation>
        </message>
        <message>
            <source>Choose another interpreter for the engine (now named by {source}).</source>
            <translation>Wählen Sie einen anderen Interpreter für die Engine (jetzt bestimmt durch {source}).</translation>
        </message>
        <message>
            <source>{python} is QGIS itself, not a Python interpreter.</source>
            <translation>{python} ist QGIS selbst, kein Python-Interpreter.</translation>
        </message>
        <message>
            <source>{python} cannot be started as the engine's Python: {reason}.</source>
            <translation>{python} kann nicht als Python der Engine gestartet werden: {reason}.</translation>
        </message>
        <message>
            <source>{python} did not answer within {seconds} s.</source>
            <translation>{python} hat nicht innerhalb von {seconds} s geantwortet.</translation>
        </message>
        <message>
            <source>{python} {ended} when the engine was looked for ({last}).</source>
            <translation>{python} {ended}, als darin die Engine gesucht wurde ({last}).</translation>
        </message>
        <message>
            <source>{python} does not answer like a Python interpreter.</source>
            <translation>{python} antwortet nicht wie ein Python-Interpreter.</translation>
        </message>
        <message>
            <source>{python} is Python {version}; the engine needs 3.10 or newer.</source>
            <translation>{python} ist Python {version}; die Engine braucht 3.10 oder neuer.</translation>
        </message>
        <message>
            <source>The engine's Python {python} lacks {libraries}.</source>
            <translation>Dem Python der Engine {python} fehlt: {libraries}.</translation>
        </message>
        <message>
            <source>The MTMSD engine is not set up: there is no Python environment for it. Press Set Up Engine… in the dock, or choose an interpreter that has its libraries.</source>
            <translation>Die MTMSD-Engine ist nicht eingerichtet: es gibt keine Python-Umgebung für sie. Klicken Sie im Bedienfeld auf Engine einrichten…, oder wählen Sie einen Interpreter, der ihre Bibliotheken hat.</translation>
        </message>
        <message>
            <source>The engine's Python {python}, named by {source}, does not exist.</source>
            <translation>Das Python der Engine {python}, bestimmt durch {source}, gibt es nicht.</translation>
        </message>
        <message>
            <source>The job goes on without QGIS.</source>
            <translation>Der Auftrag geht ohne QGIS weiter.</translation>
        </message>
        <message>
            <source>The engine has been silent for {} s; cancel it if that stays so.</source>
            <translation>Die Engine hat sich seit {} s nicht gemeldet; brechen Sie ab, wenn das so bleibt.</translation>
        </message>
        <message>
            <source>Canceled.</source>
            <translation>Abgebrochen.</translation>
        </message>
        <message>
            <source>The log is {}.</source>
            <translation>Das Protokoll ist {}.</translation>
        </message>
        <message>
            <source>The engine ended without a result.</source>
            <translation>Die Engine endete ohne Ergebnis.</translation>
        </message>
        <message>
            <source>The engine {ended} before it had a result (perhaps memory ran out){last}.</source>
            <translation>Die Engine {ended}, bevor sie ein Ergebnis hatte (vielleicht reichte der Speicher nicht){last}.</translation>
        </message>
        <message>
            <source>The engine {ended} before it had a result{last}.</source>
            <translation>Die Engine {ended}, bevor sie ein Ergebnis hatte{last}.</translation>
        </message>
        <message>
            <source>was killed ({})</source>
            <translation>wurde beendet ({})</translation>
        </message>
        <message>
            <source>was killed (signal {})</source>
            <translation>wurde beendet (Signal {})</translation>
        </message>
        <message>
            <source>crashed ({})</source>
            <translation>stürzte ab ({})</translation>
        </message>
        <message>
            <source>ended with status {}</source>
            <translation>endete mit Status {}</translation>
        </message>
        <message>
            <source>The engine was made by a newer plugin ({theirs}; this one is {ours}) and may not fit. Get the newer plugin, or press Update to build the engine for this one.</source>
            <translation>Die Engine wurde von einem neueren Plugin eingerichtet ({theirs}; dieses ist {ours}) und passt vielleicht nicht. Holen Sie das neuere Plugin, oder klicken Sie auf Aktualisieren, um die Engine für dieses aufzubauen.</translation>
        </message>
        <message>
            <source>The engine was set up by another version of the plugin ({theirs}; this one is {ours}) and has other packages. Press Update; it works until then.</source>
            <translation>Die Engine wurde von einer anderen Version des Plugins eingerichtet ({theirs}; diese ist {ours}) und hat andere Pakete. Klicken Sie auf Aktualisieren; bis dahin funktioniert sie.</translation>
        </message>
        <message>
            <source>unknown</source>
            <translation>unbekannt</translation>
        </message>
        <message>
            <source>First map, without the diffusion model that is there now: map once more.</source>
            <translation>Erste Karte, noch ohne das nun vorhandene Diffusionsmodell: kartieren Sie erneut.</translation>
        </message>
        <message>
            <source>First map, without a diffusion model. How much pretraining adds here, the left-out polygons tell after it.</source>
            <translation>Erste Karte, ohne Diffusionsmodell. Was das Vortraining hier bringt, zeigen danach die zurückgehaltenen Polygone.</translation>
        </message>
        <message>
            <source>Map with the diffusion model, which has {} of the say.</source>
            <translation>Karte mit dem Diffusionsmodell; sein Gewicht ist {}.</translation>
        </message>
        <message>
            <source>Left-out pixels that are right: {}, {} without it.</source>
            <translation>Zurückgehaltene Pixel, die richtig sind: {}, ohne Modell {}.</translation>
        </message>
        <message>
            <source>Diffusion model</source>
            <translation>Diffusionsmodell</translation>
        </message>
        <message>
            <source>Regions with true edges</source>
            <translation>Regionen mit echten Grenzen</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>Verfahren</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Szene</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Kanäle</translation>
        </message>
        <message>
            <source>Classes</source>
            <translation>Klassen</translation>
        </message>
        <message>
            <source>Training pixels</source>
            <translation>Trainingspixel</translation>
        </message>
        <message>
            <source>Accuracy</source>
            <translation>Genauigkeit</translation>
        </message>
        <message>
            <source>{width} × {height} px</source>
            <translation>{width} × {height} px</translation>
        </message>
        <message>
            <source>{used} of {total}</source>
            <translation>{used} von {total}</translation>
        </message>
        <message>
            <source>Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.</source>
            <translation>Gesamtgenauigkeit {overall}, Kappa {kappa}, auf {n} Referenzpixeln.</translation>
        </message>
        <message>
            <source>Classes and areas</source>
            <translation>Klassen und Flächen</translation>
        </message>
        <message>
            <source>None of the {} lies in the scene.</source>
            <translation>Nichts davon liegt in der Szene ({}).</translation>
        </message>
        <message>
            <source>The layer has no polygons with a class.</source>
            <translation>Der Layer hat keine Polygone mit einer Klasse.</translation>
        </message>
        <message>
            <source>Inside the scene: {}</source>
            <translation>In der Szene: {}</translation>
        </message>
        <message>
            <source>Outside, not taken: {}</source>
            <translation>Außerhalb, nicht übernommen: {}</translation>
        </message>
        <message>
            <source>Without a class or a shape, not taken: {}</source>
            <translation>Ohne Klasse oder Geometrie, nicht übernommen: {}</translation>
        </message>
        <message>
            <source>In two classes: {}; the later polygon counts</source>
            <translation>In zwei Klassen: {}; das spätere Polygon zählt</translation>
        </message>
        <message>
            <source>{number} is another class here, so {name} becomes {new}.</source>
            <translation>{number} ist hier eine andere Klasse, darum bekommt {name} die Nummer {new}.</translation>
        </message>
        <message>
            <source>Alike: {}</source>
            <translation>Fast gleich: {}</translation>
        </message>
        <message>
            <source>Choose Spectra</source>
            <translation>Spektren wählen</translation>
        </message>
        <message>
            <source>The engine is being checked…</source>
            <translation>Die Engine wird geprüft…</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>Die Engine ist bereit.</translation>
        </message>
        <message>
            <source>A set-up of the engine was begun and not finished; it can go on.</source>
            <translation>Eine Einrichtung der Engine wurde begonnen und nicht beendet; sie kann weitergehen.</translation>
        </message>
        <message>
            <source>The engine does the computing, in a Python environment of its own. One click sets it up; QGIS itself stays as it is.</source>
            <translation>Die Engine rechnet in einer eigenen Python-Umgebung. Ein Klick richtet sie ein; QGIS selbst bleibt, wie es ist.</translation>
        </message>
        <message>
            <source>being checked</source>
            <translation>in Prüfung</translation>
        </message>
        <message>
            <source>ready</source>
            <translation>bereit</translation>
        </message>
        <message>
            <source>not set up</source>
            <translation>nicht eingerichtet</translation>
        </message>
        <message>
            <source>broken</source>
            <translation>defekt</translation>
        </message>
        <message>
            <source>outdated</source>
            <translation>veraltet</translation>
        </message>
        <message>
            <source>Preparing the folder</source>
            <translation>Der Ordner wird vorbereitet</translation>
        </message>
        <message>
            <source>Fetching the installer uv</source>
            <translation>Das Installationsprogramm uv wird heruntergeladen</translation>
        </message>
        <message>
            <source>Making the Python environment</source>
            <translation>Die Python-Umgebung wird angelegt</translation>
        </message>
        <message>
            <source>Fetching and installing the packages</source>
            <translation>Die Pakete werden heruntergeladen und installiert</translation>
        </message>
        <message>
            <source>Fetching and installing PyTorch</source>
            <translation>PyTorch wird heruntergeladen und installiert</translation>
        </message>
        <message>
            <source>Checking that it computes</source>
            <translation>Es wird geprüft, ob die Engine rechnet</translation>
        </message>
        <message>
            <source>Putting it in place</source>
            <translation>Die Engine wird an ihren Platz gebracht</translation>
        </message>
        <message>
            <source>Beginning</source>
            <translation>Beginn</translation>
        </message>
        <message>
            <source>{}: {} of {}</source>
            <translation>{}: {} von {}</translation>
        </message>
        <message>
            <source>That place is outside the scene.</source>
            <translation>Diese Stelle liegt außerhalb der Szene.</translation>
        </message>
        <message>
            <source>That pixel has no data.</source>
            <translation>Dieses Pixel hat keine Daten.</translation>
        </message>
        <message>
            <source>Fold or unfold this section</source>
            <translation>Diesen Abschnitt auf- oder zuklappen</translation>
        </message>
        <message>
            <source>What the engine warned of</source>
            <translation>Warnungen der Engine</translation>
        </message>
        <message>
            <source>Not yet possible</source>
            <translation>Noch nicht möglich</translation>
        </message>
        <message>
            <source>Ready: this can be done now</source>
            <translation>Bereit: das kann jetzt getan werden</translation>
        </message>
        <message>
            <source>Running</source>
            <translation>Läuft</translation>
        </message>
        <message>
            <source>Done</source>
            <translation>Fertig</translation>
        </message>
        <message>
            <source>Needs attention</source>
            <translation>Bitte beachten</translation>
        </message>
        <message>
            <source>Done, with warnings</source>
            <translation>Fertig, mit Warnungen</translation>
        </message>
        <message>
            <source>Jobs Are Running</source>
            <translation>Aufträge laufen</translation>
        </message>
        <message>
            <source>The engine is at work:</source>
            <translation>Die Engine arbeitet:</translation>
        </message>
        <message>
            <source>A job that goes on is taken up again when QGIS is next opened.</source>
            <translation>Ein Auftrag, der weiterläuft, wird beim nächsten Start von QGIS wieder aufgenommen.</translation>
        </message>
        <message>
            <source>&amp;Let It Go On</source>
            <translation>Weiterlaufen &amp;lassen</translation>
        </message>
        <message>
            <source>&amp;Cancel Job</source>
            <translation>Auftrag abbre&amp;chen</translation>
        </message>
        <message>
            <source>&amp;Stay in QGIS</source>
            <translation>In QGI&amp;S bleiben</translation>
        </message>
        <message>
            <source>{} (from the Toolbox)</source>
            <translation>{} (aus den Werkzeugen)</translation>
        </message>
        <message>
            <source>{} (of an earlier QGIS)</source>
            <translation>{} (eines früheren QGIS)</translation>
        </message>
        <message>
            <source>{} (of another QGIS)</source>
            <translation>{} (eines anderen QGIS)</translation>
        </message>
        <message>
            <source>Started by another QGIS: {user} on {host}, process {pid}{since}.</source>
            <translation>Von einem anderen QGIS gestartet: {user} auf {host}, Prozess {pid}{since}.</translation>
        </message>
        <message>
            <source>&amp;MTMSD</source>
            <translation>&amp;MTMSD</translation>
        </message>
        <message>
            <source>MTMSD Classification</source>
            <translation>MTMSD-Klassifikation</translation>
        </message>
        <message>
            <source>Show or hide the MTMSD dock</source>
            <translation>Das MTMSD-Bedienfeld ein- oder ausblenden</translation>
        </message>
        <message>
            <source>Try the &amp;Sample Scene</source>
            <translation>&amp;Beispielszene ausprobieren</translation>
        </message>
        <message>
            <source>&amp;Tutorial</source>
            <translation>&amp;Tutorial</translation>
        </message>
        <message>
            <source>&amp;Help</source>
            <translation>&amp;Hilfe</translation>
        </message>
        <message>
            <source>&amp;Engine…</source>
            <translation>&amp;Engine…</translation>
        </message>
        <message>
            <source>The job's folder {path} cannot be made: {reason}.</source>
            <translation>Der Auftragsordner {path} kann nicht angelegt werden: {reason}.</translation>
        </message>
        <message>
            <source>The file is temporary: it goes when QGIS is closed.</source>
            <translation>Die Datei ist temporär: sie verschwindet, wenn QGIS geschlossen wird.</translation>
        </message>
        <message>
            <source>{lost} of {count} masks cannot be opened: {names}.</source>
            <translation>{lost} von {count} Masken können nicht geöffnet werden: {names}.</translation>
        </message>
        <message>
            <source>The layer for '{parameter}' cannot be opened: {value}.</source>
            <translation>Der Layer für '{parameter}' kann nicht geöffnet werden: {value}.</translation>
        </message>
        <message>
            <source>'{layer}' is the scene itself; choose the layer with the polygons.</source>
            <translation>'{layer}' ist die Szene selbst; wählen Sie den Layer mit den Polygonen.</translation>
        </message>
        <message>
            <source>The layer '{layer}' has no field '{field}'; it has {fields}.</source>
            <translation>Der Layer '{layer}' hat kein Feld '{field}'; er hat {fields}.</translation>
        </message>
        <message>
            <source>Parameters and outputs</source>
            <translation>Parameter und Ausgaben</translation>
        </message>
        <message>
            <source>Spectral angle</source>
            <translation>Spektralwinkel</translation>
        </message>
        <message>
            <source>How far each pixel is from spectra of a library, whatever its brightness.</source>
            <translation>Wie weit jedes Pixel von Spektren einer Bibliothek entfernt ist, unabhängig von seiner Helligkeit.</translation>
        </message>
        <message>
            <source>Spectral library</source>
            <translation>Spektralbibliothek</translation>
        </message>
        <message>
            <source>Spectra</source>
            <translation>Spektren</translation>
        </message>
        <message>
            <source>ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd).</source>
            <translation>ENVI (.sli), CSV, Text des USGS oder von ECOSTRESS, ASD (.asd).</translation>
        </message>
        <message>
            <source>Names of its spectra, separated by semicolons. Default: all of them.</source>
            <translation>Namen ihrer Spektren, durch Semikolons getrennt. Vorgabe: alle.</translation>
        </message>
        <message>
            <source>GeoTIFF with a band a spectrum: the angle in radians, 0 where they are alike.</source>
            <translation>GeoTIFF mit einem Band je Spektrum: der Winkel im Bogenmaß, 0 bei gleicher Form.</translation>
        </message>
        <message>
            <source>'{part}' in Classes to match is not of the form THEIRS=OURS.</source>
            <translation>'{part}' in Klassenzuordnung hat nicht die Form REFERENZ=KARTE.</translation>
        </message>
        <message>
            <source>Assess a class map</source>
            <translation>Klassenkarte bewerten</translation>
        </message>
        <message>
            <source>Compares a class map with reference polygons and writes an accuracy report.</source>
            <translation>Vergleicht eine Klassenkarte mit Referenzpolygonen und schreibt einen Genauigkeitsbericht.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Klassenkarte</translation>
        </message>
        <message>
            <source>Reference that was not used for training. Default: none; the report is then that of the polygons held out while the map's classifier was trained.</source>
            <translation>Referenz, die nicht zum Training benutzt wurde. Vorgabe: keine; der Bericht ist dann der über die Polygone, die beim Training des Klassifikators der Karte zurückgehalten wurden.</translation>
        </message>
        <message>
            <source>Classes to match</source>
            <translation>Klassenzuordnung</translation>
        </message>
        <message>
            <source>The polygons that trained the map; the baselines learn from them. Default: none.</source>
            <translation>Die Polygone, mit denen die Karte trainiert wurde; die Vergleichsverfahren lernen aus ihnen. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>Figures</source>
            <translation>Kennzahlen</translation>
        </message>
        <message>
            <source>The raster that 'Classify a scene' has written.</source>
            <translation>Das Raster, das 'Szene klassifizieren' geschrieben hat.</translation>
        </message>
        <message>
            <source>Reference polygons</source>
            <translation>Referenzpolygone</translation>
        </message>
        <message>
            <source>The map's class for classes of the reference that are called otherwise, by name or number, with semicolons between: 'Wald=forest; 7=water'. 'Weg=' leaves one out, 'Weg=-' counts it as wrong. Default: names and numbers are the map's.</source>
            <translation>Die Klasse der Karte für anders benannte Klassen der Referenz, nach Name oder Nummer, durch Semikolon getrennt: 'forest=Wald; 7=Wasser'. 'Weg=' lässt eine aus, 'Weg=-' zählt sie als falsch. Vorgabe: Namen und Nummern sind die der Karte.</translation>
        </message>
        <message>
            <source>The scene of the map. With it and the training polygons, a support vector machine and a random forest on the plain spectra are reported beside the map. Default: none.</source>
            <translation>Die Szene der Karte. Mit ihr und den Trainingspolygonen werden zum Vergleich auch eine Support Vector Machine und ein Random Forest auf den reinen Spektren bewertet. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>Training polygons</source>
            <translation>Trainingspolygone</translation>
        </message>
        <message>
            <source>The figures as JSON. Default: beside the report.</source>
            <translation>Die Kennzahlen als JSON. Vorgabe: neben dem Bericht.</translation>
        </message>
        <message>
            <source>Spectral baselines need both the scene and the training polygons; give both or neither.</source>
            <translation>Spektrale Vergleiche brauchen die Szene und die Trainingspolygone; geben Sie beide an oder keines von beiden.</translation>
        </message>
        <message>
            <source>Change between two class maps</source>
            <translation>Veränderung zwischen zwei Klassenkarten</translation>
        </message>
        <message>
            <source>What became what, as a map and as a table with areas and standard errors.</source>
            <translation>Was zu was wurde, als Karte und als Tabelle mit Flächen und Standardfehlern.</translation>
        </message>
        <message>
            <source>Earlier class map</source>
            <translation>Frühere Klassenkarte</translation>
        </message>
        <message>
            <source>The class map of the earlier date.</source>
            <translation>Die Klassenkarte des früheren Zeitpunkts.</translation>
        </message>
        <message>
            <source>Later class map</source>
            <translation>Spätere Klassenkarte</translation>
        </message>
        <message>
            <source>The class map of the later date, on the grid of the earlier one.</source>
            <translation>Die Klassenkarte des späteren Zeitpunkts, auf dem Gitter der früheren.</translation>
        </message>
        <message>
            <source>Change map</source>
            <translation>Veränderungskarte</translation>
        </message>
        <message>
            <source>GeoTIFF with a class for each pair of classes: pale where nothing changed, else in a shade of the later class's colour.</source>
            <translation>GeoTIFF mit einer Klasse für jedes Klassenpaar: blass, wo sich nichts geändert hat, sonst in einem Ton der Farbe der späteren Klasse.</translation>
        </message>
        <message>
            <source>From-to table</source>
            <translation>Übergangstabelle</translation>
        </message>
        <message>
            <source>Pixels, areas and their standard errors of each pair of classes as CSV.</source>
            <translation>Pixel, Flächen und deren Standardfehler für jedes Klassenpaar als CSV.</translation>
        </message>
        <message>
            <source>Written with the map. Default: none.</source>
            <translation>Mit der Karte geschrieben. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>Unknown below a confidence of</source>
            <translation>Unbekannt unter einer Konfidenz von</translation>
        </message>
        <message>
            <source>Confidence of the earlier map</source>
            <translation>Konfidenz der früheren Karte</translation>
        </message>
        <message>
            <source>Confidence of the later map</source>
            <translation>Konfidenz der späteren Karte</translation>
        </message>
        <message>
            <source>Pixels of lower confidence in one of the maps are counted apart. Default: 0.5.</source>
            <translation>Pixel, deren Konfidenz in einer der Karten geringer ist, werden getrennt gezählt. Vorgabe: 0.5.</translation>
        </message>
        <message>
            <source>Table of equal classes</source>
            <translation>Tabelle gleicher Klassen</translation>
        </message>
        <message>
            <source>Reference of the change</source>
            <translation>Referenz der Veränderung</translation>
        </message>
        <message>
            <source>Field with the class before</source>
            <translation>Feld mit der Klasse vorher</translation>
        </message>
        <message>
            <source>Field with the class after</source>
            <translation>Feld mit der Klasse nachher</translation>
        </message>
        <message>
            <source>Columns before,after: classes that are the same though they are called differently. Default: classes of one name are the same.</source>
            <translation>Spalten before,after: Klassen, die trotz verschiedener Namen dieselben sind. Vorgabe: Klassen gleichen Namens sind dieselben.</translation>
        </message>
        <message>
            <source>Points or polygons with the true class before and after; areas and their standard errors then rest on them. Default: on the held-out polygons of both maps.</source>
            <translation>Punkte oder Polygone mit der wahren Klasse vorher und nachher; Flächen und deren Standardfehler beruhen dann auf ihnen. Vorgabe: auf den zurückgehaltenen Polygonen beider Karten.</translation>
        </message>
        <message>
            <source>A field of the reference. Default: none.</source>
            <translation>Ein Feld der Referenz. Vorgabe: keines.</translation>
        </message>
        <message>
            <source>The reference of the change needs its two fields, of before and after.</source>
            <translation>Die Referenz der Veränderung braucht ihre beiden Felder, für vorher und nachher.</translation>
        </message>
        <message>
            <source>Classify a scene</source>
            <translation>Szene klassifizieren</translation>
        </message>
        <message>
            <source>Maps a scene with a trained classifier; class map and confidence.</source>
            <translation>Kartiert eine Szene mit einem trainierten Klassifikator; Klassenkarte und Konfidenz.</translation>
        </message>
        <message>
            <source>Classifier</source>
            <translation>Klassifikator</translation>
        </message>
        <message>
            <source>Extent</source>
            <translation>Ausdehnung</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written, or the .onnx file of 'Export a classifier'.</source>
            <translation>Die .safetensors-Datei, die 'Klassifikator trainieren' geschrieben hat, oder die .onnx-Datei von 'Klassifikator exportieren'.</translation>
        </message>
        <message>
            <source>Only this part of the scene is mapped, on the scene's own pixels. Default: the whole scene.</source>
            <translation>Nur dieser Teil der Szene wird kartiert, auf den Pixeln der Szene. Vorgabe: die ganze Szene.</translation>
        </message>
        <message>
            <source>GeoTIFF on the scene's grid with class numbers, names and colours; 0 = no data.</source>
            <translation>GeoTIFF auf dem Gitter der Szene mit Nummern, Namen und Farben der Klassen; 0 = keine Daten.</translation>
        </message>
        <message>
            <source>The extent does not touch the scene '{name}'; choose one that does.</source>
            <translation>Die Ausdehnung berührt die Szene '{name}' nicht; wählen Sie eine, die es tut.</translation>
        </message>
        <message>
            <source>Classify several scenes</source>
            <translation>Mehrere Szenen klassifizieren</translation>
        </message>
        <message>
            <source>Maps scenes of one sensor with one classifier, into a folder or one mosaic.</source>
            <translation>Kartiert Szenen eines Sensors mit einem Klassifikator, in einen Ordner oder ein Mosaik.</translation>
        </message>
        <message>
            <source>Folder of the maps</source>
            <translation>Ordner der Karten</translation>
        </message>
        <message>
            <source>Gets a class map for each scene, a GeoTIFF of its name on its grid.</source>
            <translation>Erhält für jede Szene eine Klassenkarte, ein GeoTIFF mit ihrem Namen auf ihrem Gitter.</translation>
        </message>
        <message>
            <source>Mosaic</source>
            <translation>Mosaik</translation>
        </message>
        <message>
            <source>Also one class map of all, blended where they overlap; for scenes on one grid. Default: not written.</source>
            <translation>Dazu eine Klassenkarte aus allen, gemischt, wo sie sich überlappen; für Szenen auf einem Gitter. Vorgabe: wird nicht geschrieben.</translation>
        </message>
        <message>
            <source>Class maps</source>
            <translation>Klassenkarten</translation>
        </message>
        <message>
            <source>Scenes that were not mapped</source>
            <translation>Nicht kartierte Szenen</translation>
        </message>
        <message>
            <source>{lost} of {count} scenes are no layers: {names}; give those as scene files.</source>
            <translation>{lost} von {count} Szenen sind keine Layer: {names}; geben Sie diese als Szenendateien an.</translation>
        </message>
        <message>
            <source>There is no scene to map; give layers or files.</source>
            <translation>Es gibt keine Szene zum Kartieren; geben Sie Layer oder Dateien an.</translation>
        </message>
        <message>
            <source>{count} scenes were mapped, {failed} were not.</source>
            <translation>Kartierte Szenen: {count}, nicht kartiert: {failed}.</translation>
        </message>
        <message>
            <source>Scenes</source>
            <translation>Szenen</translation>
        </message>
        <message>
            <source>Scene files</source>
            <translation>Szenendateien</translation>
        </message>
        <message>
            <source>Hyperspectral rasters of the sensor that the classifier was trained on, on any grids; bands are matched by wavelength. Default: none.</source>
            <translation>Hyperspektralraster des Sensors, an dem der Klassifikator trainiert wurde, auf beliebigen Gittern; die Kanäle werden nach der Wellenlänge zugeordnet. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>Scenes that are no layers: rasters, products, or a table scenes.csv with the columns scene,output,mask. One that cannot be read is named, and the others go on. Default: none.</source>
            <translation>Szenen, die keine Layer sind: Raster, Produkte oder eine Tabelle scenes.csv mit den Spalten scene,output,mask. Eine, die sich nicht lesen lässt, wird genannt, mit den übrigen geht es weiter. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>Confidence of each map</source>
            <translation>Konfidenz jeder Karte</translation>
        </message>
        <message>
            <source>Class probabilities of each map</source>
            <translation>Klassenwahrscheinlichkeiten jeder Karte</translation>
        </message>
        <message>
            <source>GeoTIFFs in the folder '{name}' beside the maps. Default: no.</source>
            <translation>GeoTIFFs im Ordner '{name}' neben den Karten. Vorgabe: nein.</translation>
        </message>
        <message>
            <source>Export a classifier</source>
            <translation>Klassifikator exportieren</translation>
        </message>
        <message>
            <source>Writes a classifier as ONNX, to map with on machines without PyTorch.</source>
            <translation>Schreibt einen Klassifikator als ONNX, um auf Rechnern ohne PyTorch zu kartieren.</translation>
        </message>
        <message>
            <source>Exported classifier</source>
            <translation>Exportierter Klassifikator</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written.</source>
            <translation>Die .safetensors-Datei, die 'Klassifikator trainieren' geschrieben hat.</translation>
        </message>
        <message>
            <source>An .onnx file, all that 'Classify a scene' needs of the classifier.</source>
            <translation>Eine .onnx-Datei; mehr braucht 'Szene klassifizieren' vom Klassifikator nicht.</translation>
        </message>
        <message>
            <source>'{name}' does not end in .onnx; choose another name.</source>
            <translation>'{name}' endet nicht auf .onnx; wählen Sie einen anderen Namen.</translation>
        </message>
        <message>
            <source>Export training pixels</source>
            <translation>Trainingspixel exportieren</translation>
        </message>
        <message>
            <source>Each training pixel with its class and band values, as points and as a table.</source>
            <translation>Jedes Trainingspixel mit Klasse und Kanalwerten, als Punkte und als Tabelle.</translation>
        </message>
        <message>
            <source>Table</source>
            <translation>Tabelle</translation>
        </message>
        <message>
            <source>The polygons whose pixels are written.</source>
            <translation>Die Polygone, deren Pixel geschrieben werden.</translation>
        </message>
        <message>
            <source>GeoPackage with a point a pixel: class number and name, polygon, column and row (from 0), x and y, and a column a band, named by its wavelength in nm.</source>
            <translation>GeoPackage mit einem Punkt je Pixel: Nummer und Name der Klasse, Polygon, Spalte und Zeile (ab 0), x und y sowie je Kanal eine Spalte, benannt nach seiner Wellenlänge in nm.</translation>
        </message>
        <message>
            <source>The same columns as CSV.</source>
            <translation>Dieselben Spalten als CSV.</translation>
        </message>
        <message>
            <source>Number of pixels</source>
            <translation>Anzahl der Pixel</translation>
        </message>
        <message>
            <source>Map a scene from polygons</source>
            <translation>Szene aus Polygonen kartieren</translation>
        </message>
        <message>
            <source>From a hyperspectral raster and a few polygons to a class map, in one step.</source>
            <translation>Von einem Hyperspektralraster und wenigen Polygonen zur Klassenkarte, in einem Schritt.</translation>
        </message>
        <message>
            <source>The training polygons, at least 3 pixels in each of two or more classes.</source>
            <translation>Die Trainingspolygone, mindestens 3 Pixel in jeder von mindestens zwei Klassen.</translation>
        </message>
        <message>
            <source>Reference that is not used for training. Default: a quarter of the training polygons is held out for the accuracy figures; the map then learns from all of them.</source>
            <translation>Referenz, die nicht zum Training benutzt wird. Vorgabe: ein Viertel der Trainingspolygone wird für die Genauigkeitszahlen zurückgehalten; die Karte lernt danach aus allen.</translation>
        </message>
        <message>
            <source>Validation polygons</source>
            <translation>Validierungspolygone</translation>
        </message>
        <message>
            <source>New diffusion model</source>
            <translation>Neues Diffusionsmodell</translation>
        </message>
        <message>
            <source>With this file the scene is pretrained first, which takes minutes, and the stack listens to the diffusion network too. Default: none; pretrained only if the classifier needs it.</source>
            <translation>Mit dieser Datei wird die Szene zuerst vortrainiert, was Minuten dauert, und das Stacking bezieht auch das Diffusionsnetz ein. Vorgabe: keine; vortrainiert wird nur, wenn der Klassifikator es braucht.</translation>
        </message>
        <message>
            <source>Kept to map other scenes of the same sensor. Default: not kept.</source>
            <translation>Wird behalten, um andere Szenen desselben Sensors zu kartieren. Vorgabe: nicht behalten.</translation>
        </message>
        <message>
            <source>Join class maps to a mosaic</source>
            <translation>Klassenkarten zum Mosaik verbinden</translation>
        </message>
        <message>
            <source>One class map of many; where they overlap, their probabilities are blended.</source>
            <translation>Eine Klassenkarte aus vielen; wo sie sich überlappen, werden ihre Wahrscheinlichkeiten gemischt.</translation>
        </message>
        <message>
            <source>Probabilities</source>
            <translation>Wahrscheinlichkeiten</translation>
        </message>
        <message>
            <source>Of each map the layer of probabilities that 'Classify a scene' has written, all with one classifier and on one grid.</source>
            <translation>Von jeder Karte der Layer der Wahrscheinlichkeiten, den 'Szene klassifizieren' geschrieben hat, alle mit einem Klassifikator und auf einem Gitter.</translation>
        </message>
        <message>
            <source>GeoTIFF (COG) with overviews, class numbers, names and colours; 0 = no data.</source>
            <translation>GeoTIFF (COG) mit Übersichten sowie Nummern, Namen und Farben der Klassen; 0 = keine Daten.</translation>
        </message>
        <message>
            <source>There is no map for a mosaic; give the probabilities of each.</source>
            <translation>Es gibt keine Karte für ein Mosaik; geben Sie von jeder die Wahrscheinlichkeiten an.</translation>
        </message>
        <message>
            <source>mosaic</source>
            <translation>Mosaik</translation>
        </message>
        <message>
            <source>Where to label next</source>
            <translation>Nächste Trainingspunkte vorschlagen</translation>
        </message>
        <message>
            <source>Points in doubt, spread over the scene, with the two classes in question.</source>
            <translation>Zweifelhafte Punkte, über die Szene verteilt, mit den beiden fraglichen Klassen.</translation>
        </message>
        <message>
            <source>Class probabilities</source>
            <translation>Klassenwahrscheinlichkeiten</translation>
        </message>
        <message>
            <source>Number of points</source>
            <translation>Anzahl der Punkte</translation>
        </message>
        <message>
            <source>Labels that there are already; the points keep away. Default: none.</source>
            <translation>Vorhandene Trainingspolygone; die Punkte halten Abstand. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>Points to label</source>
            <translation>Vorgeschlagene Punkte</translation>
        </message>
        <message>
            <source>One band for each class, from 'Classify a scene' or 'Map a scene'.</source>
            <translation>Ein Kanal je Klasse, von 'Szene klassifizieren' oder 'Szene aus Polygonen kartieren'.</translation>
        </message>
        <message>
            <source>How many points are proposed. Default: 20.</source>
            <translation>Wie viele Punkte vorgeschlagen werden. Vorgabe: 20.</translation>
        </message>
        <message>
            <source>GeoPackage with rank (1 is best), doubt (0 to 1), the two classes in doubt and their probabilities.</source>
            <translation>GeoPackage mit Rang (1 ist der beste), Zweifel (0 bis 1), den beiden fraglichen Klassen und ihren Wahrscheinlichkeiten.</translation>
        </message>
        <message>
            <source>Number of points found</source>
            <translation>Anzahl gefundener Punkte</translation>
        </message>
        <message>
            <source>Pretrain on a scene</source>
            <translation>Szene vortrainieren</translation>
        </message>
        <message>
            <source>Learns a hyperspectral scene without labels and writes a diffusion model.</source>
            <translation>Lernt eine Hyperspektralszene ohne Trainingspolygone und schreibt ein Diffusionsmodell.</translation>
        </message>
        <message>
            <source>A .safetensors file of 5 to 110 MB, to be used by 'Train a classifier' and 'Map a scene from polygons'. Checkpoints lie beside it until it is complete.</source>
            <translation>Eine .safetensors-Datei von 5 bis 110 MB für 'Klassifikator trainieren' und 'Szene aus Polygonen kartieren'. Zwischenstände liegen daneben, bis sie vollständig ist.</translation>
        </message>
        <message>
            <source>Parts a scene into regions that are learnt with their classes.</source>
            <translation>Teilt eine Szene in Regionen, die mit ihren Klassen gelernt werden.</translation>
        </message>
        <message>
            <source>What the regions are learnt from. Default: none, and regions that were learnt before are taken.</source>
            <translation>Woraus die Regionen gelernt werden. Vorgabe: keine; dann werden früher gelernte Regionen genommen.</translation>
        </message>
        <message>
            <source>Size of a region in pixels</source>
            <translation>Größe einer Region in Pixeln</translation>
        </message>
        <message>
            <source>Side of the squares in which regions begin: 2 at least, the scene's shorter side at most. 0 (default): half of a typical polygon's side, 4 to 16.</source>
            <translation>Seite der Quadrate, mit denen die Regionen beginnen: mindestens 2, höchstens die kürzere Seite der Szene. 0 (Vorgabe): die halbe Seite eines typischen Polygons, 4 bis 16.</translation>
        </message>
        <message>
            <source>Achievable segmentation accuracy (0 to 1)</source>
            <translation>Erreichbare Segmentierungsgenauigkeit (0 bis 1)</translation>
        </message>
        <message>
            <source>Number of regions</source>
            <translation>Anzahl der Regionen</translation>
        </message>
        <message>
            <source>Learnt regions</source>
            <translation>Gelernte Regionen</translation>
        </message>
        <message>
            <source>Map to compare with</source>
            <translation>Karte zum Vergleich</translation>
        </message>
        <message>
            <source>The .safetensors file of an earlier run, of this scene or another of the same sensor: nothing is learnt then. Default: none.</source>
            <translation>Die .safetensors-Datei eines früheren Laufs, von dieser Szene oder einer anderen desselben Sensors: dann wird nichts gelernt. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>A class map of single pixels whose accuracy the report tells beside that of the regions, where both were judged by the same pixels. Default: none.</source>
            <translation>Eine Klassenkarte aus einzelnen Pixeln; der Bericht nennt ihre Genauigkeit neben der der Regionen, wenn beide an denselben Pixeln geprüft wurden. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>Regions</source>
            <translation>Regionen</translation>
        </message>
        <message>
            <source>Class map of the regions</source>
            <translation>Klassenkarte der Regionen</translation>
        </message>
        <message>
            <source>New learnt regions</source>
            <translation>Neu gelernte Regionen</translation>
        </message>
        <message>
            <source>GeoPackage with a polygon for each region: class_id, class_name, color, pixels, area_ha, and share_N, the share of each class N.</source>
            <translation>GeoPackage mit einem Polygon für jede Region: class_id, class_name, color, pixels, area_ha und share_N, der Anteil jeder Klasse N.</translation>
        </message>
        <message>
            <source>GeoTIFF on the scene's grid: each pixel has the class of its region.</source>
            <translation>GeoTIFF auf dem Gitter der Szene: jedes Pixel hat die Klasse seiner Region.</translation>
        </message>
        <message>
            <source>Kept to map this scene or another with. Default: not kept.</source>
            <translation>Werden behalten, um diese oder eine andere Szene damit zu kartieren. Vorgabe: nicht behalten.</translation>
        </message>
        <message>
            <source>Choose training polygons or learnt regions: one of the two.</source>
            <translation>Wählen Sie Trainingspolygone oder gelernte Regionen: eines von beiden.</translation>
        </message>
        <message>
            <source>Regions cannot begin as squares of 1 px; choose 2 or more, or 0.</source>
            <translation>Regionen können nicht als Quadrate von 1 px beginnen; wählen Sie mindestens 2, oder 0.</translation>
        </message>
        <message>
            <source>Train a classifier</source>
            <translation>Klassifikator trainieren</translation>
        </message>
        <message>
            <source>Learns the classes of training polygons and writes a classifier.</source>
            <translation>Lernt die Klassen von Trainingspolygonen und schreibt einen Klassifikator.</translation>
        </message>
        <message>
            <source>A .safetensors file that holds the diffusion model, the classes with names and colours, and the accuracy on held-out polygons; it is all that 'Classify a scene' needs.</source>
            <translation>Eine .safetensors-Datei mit dem Diffusionsmodell, den Klassen mit Namen und Farben und der Genauigkeit auf zurückgehaltenen Polygonen; mehr braucht 'Szene klassifizieren' nicht.</translation>
        </message>
        <message>
            <source>The classifier 'mtmsd' needs a diffusion model; give the one that 'Pretrain on a scene' has written, or choose another classifier.</source>
            <translation>Der Klassifikator 'mtmsd' braucht ein Diffusionsmodell; geben Sie das an, das 'Szene vortrainieren' geschrieben hat, oder wählen Sie einen anderen Klassifikator.</translation>
        </message>
        <message>
            <source>Turn a class map into polygons</source>
            <translation>Klassenkarte in Polygone umwandeln</translation>
        </message>
        <message>
            <source>Polygons with class, area and mean confidence, and the area of each class.</source>
            <translation>Polygone mit Klasse, Fläche und mittlerer Konfidenz, und die Fläche jeder Klasse.</translation>
        </message>
        <message>
            <source>Confidence</source>
            <translation>Konfidenz</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polygone</translation>
        </message>
        <message>
            <source>Area table</source>
            <translation>Flächentabelle</translation>
        </message>
        <message>
            <source>Written with the map; its mean is told for each polygon. Default: none.</source>
            <translation>Mit der Karte geschrieben; ihr Mittel wird für jedes Polygon angegeben. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>GeoPackage with a polygon for each connected region: class_id, class_name, color, pixels, area_ha, confidence.</source>
            <translation>GeoPackage mit einem Polygon für jede zusammenhängende Fläche: class_id, class_name, color, pixels, area_ha, confidence.</translation>
        </message>
        <message>
            <source>Pixels, share and hectares of each class as CSV. Default: not written.</source>
            <translation>Pixel, Anteil und Hektar jeder Klasse als CSV. Vorgabe: wird nicht geschrieben.</translation>
        </message>
        <message>
            <source>Number of polygons</source>
            <translation>Anzahl der Polygone</translation>
        </message>
        <message>
            <source>Overall accuracy (0 to 1)</source>
            <translation>Gesamtgenauigkeit (0 bis 1)</translation>
        </message>
        <message>
            <source>Average accuracy (0 to 1)</source>
            <translation>Mittlere Genauigkeit (0 bis 1)</translation>
        </message>
        <message>
            <source>Kappa</source>
            <translation>Kappa</translation>
        </message>
        <message>
            <source>The raster layer '{name}' comes from the provider '{provider}', which the engine cannot read; save it as a GeoTIFF and use that.</source>
            <translation>Der Rasterlayer '{name}' kommt vom Datenanbieter '{provider}', den die Engine nicht lesen kann; speichern Sie ihn als GeoTIFF und nehmen Sie dieses.</translation>
        </message>
        <message>
            <source>The raster layer '{name}' is only in QGIS's memory; save it as a GeoTIFF and use that.</source>
            <translation>Der Rasterlayer '{name}' ist nur im Speicher von QGIS; speichern Sie ihn als GeoTIFF und nehmen Sie dieses.</translation>
        </message>
        <message>
            <source>The layer '{name}' is neither a vector nor a raster layer.</source>
            <translation>Der Layer '{name}' ist weder ein Vektor- noch ein Rasterlayer.</translation>
        </message>
        <message>
            <source>No polygon of the layer '{name}' is selected; select some, or leave 'Selected polygons only' off.</source>
            <translation>Kein Polygon des Layers '{name}' ist gewählt; wählen Sie welche oder lassen Sie 'Nur gewählte Polygone' aus.</translation>
        </message>
        <message>
            <source>The layer '{name}' could not be written for the engine: {reason}</source>
            <translation>Der Layer '{name}' konnte nicht für die Engine geschrieben werden: {reason}</translation>
        </message>
        <message>
            <source>Automatic: the stack, with the preset paper MTMSD alone</source>
            <translation>Automatisch: Stacking, mit der Voreinstellung paper MTMSD allein</translation>
        </message>
        <message>
            <source>auto (default): stack; with the preset paper, mtmsd. stack: several simple classifiers, and the diffusion network where there is a model, weighed by polygons that were left out; without a model it takes seconds. mtmsd: the network alone. Or one of plain spectra: svm (support vector machine), svm-polygons (the same, tuned over whole polygons), rf (random forest). The accuracy report says when one of them is better.</source>
            <translation>auto (Vorgabe): stack; mit der Voreinstellung paper: mtmsd. stack: mehrere einfache Klassifikatoren, dazu das Diffusionsnetz, wo es ein Modell gibt, gewichtet nach zurückgehaltenen Polygonen; ohne Modell dauert es Sekunden. mtmsd: das Netz allein. Oder einer, der nur Spektren sieht: svm (Support Vector Machine), svm-polygons (ebenso, über ganze Polygone abgestimmt), rf (Random Forest). Der Genauigkeitsbericht sagt, wenn einer davon besser ist.</translation>
        </message>
        <message>
            <source>Class of the library's spectra</source>
            <translation>Klasse der Bibliotheksspektren</translation>
        </message>
        <message>
            <source>Table of the library's classes</source>
            <translation>Klassentabelle der Bibliothek</translation>
        </message>
        <message>
            <source>Factor of the library's values</source>
            <translation>Faktor für die Bibliothekswerte</translation>
        </message>
        <message>
            <source>Its spectra train beside the polygons, resampled to the scene's bands, and may make a class that has no polygon; not for the classifier 'mtmsd'. ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd). Default: none.</source>
            <translation>Ihre Spektren trainieren neben den Polygonen mit, auf die Kanäle der Szene umgerechnet, und können eine Klasse ohne Polygon bilden; nicht für den Klassifikator 'mtmsd'. ENVI (.sli), CSV, Text des USGS oder von ECOSTRESS, ASD (.asd). Vorgabe: keine.</translation>
        </message>
        <message>
            <source>One class for all of its spectra. Default: each spectrum's name is its class.</source>
            <translation>Eine Klasse für alle ihre Spektren. Vorgabe: der Name jedes Spektrums ist seine Klasse.</translation>
        </message>
        <message>
            <source>CSV with the columns name and class, and if wanted value and color: the class of each spectrum; spectra that it does not name are left out. Default: none.</source>
            <translation>CSV mit den Spalten name und class, auf Wunsch auch value und color: die Klasse jedes Spektrums; Spektren, die darin fehlen, werden ausgelassen. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>What its values are multiplied by to have the scene's units. Default: told by its numbers (0 to 1, percent, times 10,000); the log says which.</source>
            <translation>Womit ihre Werte multipliziert werden, damit sie die Einheiten der Szene haben. Vorgabe: wird aus den Zahlen erkannt (0 bis 1, Prozent, mal 10.000); das Protokoll nennt ihn.</translation>
        </message>
        <message>
            <source>{parameter} is given, and no spectral library; choose one, or leave it out.</source>
            <translation>{parameter} ist angegeben, aber keine Spektralbibliothek; wählen Sie eine, oder lassen Sie die Angabe weg.</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>Automatisch</translation>
        </message>
        <message>
            <source>Whole polygons</source>
            <translation>Ganze Polygone</translation>
        </message>
        <message>
            <source>Spatial cross-validation</source>
            <translation>Räumliche Kreuzvalidierung</translation>
        </message>
        <message>
            <source>Single pixels (optimistic)</source>
            <translation>Einzelne Pixel (optimistisch)</translation>
        </message>
        <message>
            <source>How polygons are held out</source>
            <translation>Wie Polygone zurückgehalten werden</translation>
        </message>
        <message>
            <source>Share held out</source>
            <translation>Zurückgehaltener Anteil</translation>
        </message>
        <message>
            <source>Guard distance in pixels</source>
            <translation>Schutzabstand in Pixeln</translation>
        </message>
        <message>
            <source>polygons: whole ones. cross: spatial cross-validation, each polygon tested once. auto (default): cross where most classes have fewer than 4 polygons, else polygons. random: single pixels, whose figures are optimistic because they lie beside training pixels.</source>
            <translation>polygons: ganze. cross: räumliche Kreuzvalidierung, jedes Polygon wird einmal getestet. auto (Vorgabe): cross, wo die meisten Klassen weniger als 4 Polygone haben, sonst polygons. random: einzelne Pixel, deren Zahlen zu gut ausfallen, weil sie neben Trainingspixeln liegen.</translation>
        </message>
        <message>
            <source>Share of each class that is held out, 0 to 0.9. With 0 no accuracy is told and the confidence is not calibrated. Default: 0.25.</source>
            <translation>Anteil jeder Klasse, der zurückgehalten wird, 0 bis 0.9. Bei 0 wird keine Genauigkeit angegeben und die Konfidenz nicht kalibriert. Vorgabe: 0.25.</translation>
        </message>
        <message>
            <source>Training pixels nearer than this to a held-out one are left out. Default: 0.</source>
            <translation>Trainingspixel, die näher an einem zurückgehaltenen liegen, werden ausgelassen. Vorgabe: 0.</translation>
        </message>
        <message>
            <source>Majority filter, side in pixels</source>
            <translation>Mehrheitsfilter, Seite in Pixeln</translation>
        </message>
        <message>
            <source>Minimum mapping unit in pixels</source>
            <translation>Kleinste Kartiereinheit in Pixeln</translation>
        </message>
        <message>
            <source>Pixels of lower confidence, 0 to 1, get the class 255 'unknown'. Default: none.</source>
            <translation>Pixel geringerer Konfidenz, 0 bis 1, bekommen die Klasse 255 'unknown'. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>Each pixel gets the most frequent class of a square of 3, 5, 7, … pixels around it; on a tie it keeps its own. Default: none.</source>
            <translation>Jedes Pixel bekommt die häufigste Klasse eines Quadrats von 3, 5, 7, … Pixeln um es herum; bei Gleichstand behält es seine. Vorgabe: keiner.</translation>
        </message>
        <message>
            <source>Smaller regions join their largest neighbour. Default: all regions stay.</source>
            <translation>Kleinere Flächen gehen in ihrem größten Nachbarn auf. Vorgabe: alle Flächen bleiben.</translation>
        </message>
        <message>
            <source>GeoTIFF with one band for each class, 0 to 1; four bytes a pixel and class. 'Where to label next' needs it. Default: not written.</source>
            <translation>GeoTIFF mit einem Kanal je Klasse, 0 bis 1; vier Bytes je Pixel und Klasse. 'Nächste Trainingspunkte vorschlagen' braucht es. Vorgabe: wird nicht geschrieben.</translation>
        </message>
        <message>
            <source>Entropy</source>
            <translation>Entropie</translation>
        </message>
        <message>
            <source>GeoTIFF: 0 where one class is certain, 1 where all are as likely. Default: not written.</source>
            <translation>GeoTIFF: 0, wo eine Klasse sicher ist, 1, wo alle gleich wahrscheinlich sind. Vorgabe: wird nicht geschrieben.</translation>
        </message>
        <message>
            <source>Disagreement</source>
            <translation>Uneinigkeit</translation>
        </message>
        <message>
            <source>GeoTIFF: how far the members of the ensemble differ, 0 to 1; not for the simple classifiers. Default: not written.</source>
            <translation>GeoTIFF: wie weit die Mitglieder des Ensembles auseinanderliegen, 0 bis 1; nicht für die einfachen Klassifikatoren. Vorgabe: wird nicht geschrieben.</translation>
        </message>
        <message>
            <source>Doubtful polygons</source>
            <translation>Zweifelhafte Polygone</translation>
        </message>
        <message>
            <source>GeoPackage with the training polygons that the other polygons call another class: their class, the one that the map would give, and the share of their pixels that are called so. By the classifier 'stack' only. Default: not written.</source>
            <translation>GeoPackage mit den Trainingspolygonen, die nach den übrigen Polygonen zu einer anderen Klasse gehören: ihre Klasse, die Klasse, die sie in der Karte bekämen, und der Anteil ihrer Pixel, der für diese spricht. Nur vom Klassifikator 'stack'. Vorgabe: wird nicht geschrieben.</translation>
        </message>
        <message>
            <source>GeoPackage with the map's regions, as by 'Turn a class map into polygons'. Default: not written.</source>
            <translation>GeoPackage mit den Flächen der Karte, wie von 'Klassenkarte in Polygone umwandeln'. Vorgabe: wird nicht geschrieben.</translation>
        </message>
        <message>
            <source>GeoPackage with 20 places worth a label next, as by 'Where to label next'. Default: not written.</source>
            <translation>GeoPackage mit 20 Stellen, denen als Nächstes eine Klasse zu geben sich lohnt, wie von 'Nächste Trainingspunkte vorschlagen'. Vorgabe: wird nicht geschrieben.</translation>
        </message>
        <message>
            <source>Scene and polygons to map and report</source>
            <translation>Von Szene und Polygonen zu Karte und Bericht</translation>
        </message>
        <message>
            <source>Map another scene</source>
            <translation>Weitere Szene kartieren</translation>
        </message>
        <message>
            <source>Assess and polygonize</source>
            <translation>Bewerten und Polygone bilden</translation>
        </message>
        <message>
            <source>Models</source>
            <translation>Modelle</translation>
        </message>
        <message>
            <source>The hyperspectral raster. Pixels without data and bad bands (marked in the file, constant, or empty) are left out by themselves.</source>
            <translation>Das Hyperspektralraster. Pixel ohne Daten und schlechte Kanäle (in der Datei markiert, konstant oder leer) werden von selbst ausgelassen.</translation>
        </message>
        <message>
            <source>A polygon layer in any CRS with a class field, a raster on the scene's grid with class numbers (0 = unlabelled), or the path of another program's training areas: SCP's .scpx, ENVI's regions of interest (.xml, .roi as text).</source>
            <translation>Ein Polygonlayer in beliebigem KBS mit einem Klassenfeld, ein Raster auf dem Gitter der Szene mit Klassennummern (0 = keine Klasse) oder der Pfad zu Trainingsgebieten eines anderen Programms: .scpx von SCP, ROIs von ENVI (.xml, .roi als Text).</translation>
        </message>
        <message>
            <source>Class field</source>
            <translation>Klassenfeld</translation>
        </message>
        <message>
            <source>Class number or class name of each polygon; of a number the name is taken from a field such as class_name. Default: the field called class_id, class, or similar.</source>
            <translation>Klassennummer oder Klassenname jedes Polygons; zu einer Nummer wird der Name aus einem Feld wie class_name genommen. Vorgabe: das Feld namens class_id, class oder ähnlich.</translation>
        </message>
        <message>
            <source>Selected polygons only</source>
            <translation>Nur gewählte Polygone</translation>
        </message>
        <message>
            <source>Only the selected ones of the labels' polygons are read. Default: no, all.</source>
            <translation>Nur die gewählten Polygone des Layers werden gelesen. Vorgabe: nein, alle.</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Pretrain on a scene' has written.</source>
            <translation>Die .safetensors-Datei, die 'Szene vortrainieren' geschrieben hat.</translation>
        </message>
        <message>
            <source>With it, pretraining is skipped. Default: none.</source>
            <translation>Damit entfällt das Vortraining. Vorgabe: keines.</translation>
        </message>
        <message>
            <source>Quick: a first look</source>
            <translation>Schnell: ein erster Blick</translation>
        </message>
        <message>
            <source>Balanced: good maps</source>
            <translation>Ausgewogen: gute Karten</translation>
        </message>
        <message>
            <source>Paper: as published, on a GPU</source>
            <translation>Paper: wie veröffentlicht, auf GPU</translation>
        </message>
        <message>
            <source>Preset</source>
            <translation>Voreinstellung</translation>
        </message>
        <message>
            <source>quick: about 3 minutes of pretraining on two CPU cores, for a first look. balanced (default): about 10 to 15 minutes, the map to keep. paper: the published network and length; needs a GPU.</source>
            <translation>quick: etwa 3 Minuten Vortraining auf zwei CPU-Kernen, für einen ersten Blick. balanced (Vorgabe): etwa 10 bis 15 Minuten, die Karte, die man behält. paper: Netz und Dauer wie veröffentlicht; braucht eine GPU.</translation>
        </message>
        <message>
            <source>Processor (CPU)</source>
            <translation>Prozessor (CPU)</translation>
        </message>
        <message>
            <source>Graphics card (CUDA)</source>
            <translation>Grafikkarte (CUDA)</translation>
        </message>
        <message>
            <source>Graphics card {} (CUDA)</source>
            <translation>Grafikkarte {} (CUDA)</translation>
        </message>
        <message>
            <source>Apple graphics (MPS)</source>
            <translation>Apple-Grafik (MPS)</translation>
        </message>
        <message>
            <source>Device</source>
            <translation>Gerät</translation>
        </message>
        <message>
            <source>auto (default) takes a GPU that works, else the CPU.</source>
            <translation>auto (Vorgabe) nimmt eine GPU, die funktioniert, sonst die CPU.</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Startwert</translation>
        </message>
        <message>
            <source>The same seed on the same machine gives the same result. Default: 0.</source>
            <translation>Derselbe Startwert auf demselben Rechner ergibt dasselbe Ergebnis. Vorgabe: 0.</translation>
        </message>
        <message>
            <source>Other settings</source>
            <translation>Weitere Einstellungen</translation>
        </message>
        <message>
            <source>Single numbers of the preset replaced, as KEY=VALUE with spaces between: 'iterations=2000 members=5'; with the stack 'rare_classes=0.5' finds classes of few training pixels more often. Default: none.</source>
            <translation>Einzelne Zahlen der Voreinstellung ersetzt, als KEY=VALUE mit Leerzeichen dazwischen: 'iterations=2000 members=5'; beim Stacking findet 'rare_classes=0.5' Klassen mit wenigen Trainingspixeln öfter. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>Bands to leave out</source>
            <translation>Auszulassende Kanäle</translation>
        </message>
        <message>
            <source>Band numbers or wavelengths besides those that are left out by themselves: '1-5,130-135' or '1340-1460nm,1790-1960nm' (water vapour). Default: none.</source>
            <translation>Kanalnummern oder Wellenlängen außer denen, die von selbst ausgelassen werden: '1-5,130-135' oder '1340-1460nm,1790-1960nm' (Wasserdampf). Vorgabe: keine.</translation>
        </message>
        <message>
            <source>Masks</source>
            <translation>Masken</translation>
        </message>
        <message>
            <source>Bits or values of masks</source>
            <translation>Bits oder Werte der Masken</translation>
        </message>
        <message>
            <source>Masks of the product</source>
            <translation>Masken des Produkts</translation>
        </message>
        <message>
            <source>Clouds, shadow, water: pixels in their polygons (any CRS), or not 0 in their rasters (on the scene's grid), are left out as if they had no data. Default: none.</source>
            <translation>Wolken, Schatten, Wasser: Pixel in ihren Polygonen (beliebiges KBS) oder ungleich 0 in ihren Rastern (auf dem Gitter der Szene) werden ausgelassen, als hätten sie keine Daten. Vorgabe: keine.</translation>
        </message>
        <message>
            <source>What of a raster mask is meant: 'bits=10,11' of a bit mask, 'values=3,8,9' of a class raster. Default: all but 0.</source>
            <translation>Was von einer Rastermaske gemeint ist: 'bits=10,11' einer Bitmaske, 'values=3,8,9' eines Klassenrasters. Vorgabe: alles außer 0.</translation>
        </message>
        <message>
            <source>Also the masks of clouds, shadow and cirrus that come with a scene of EnMAP, EMIT or PRISMA. Default: no.</source>
            <translation>Auch die Masken für Wolken, Schatten und Zirren, die einer Szene von EnMAP, EMIT oder PRISMA beiliegen. Vorgabe: nein.</translation>
        </message>
        <message>
            <source>'{text}' does not say what of a mask is meant; write bits=10,11 or values=3,8.</source>
            <translation>'{text}' sagt nicht, was von einer Maske gemeint ist; schreiben Sie bits=10,11 oder values=3,8.</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>Fortsetzen</translation>
        </message>
        <message>
            <source>Continue from the last checkpoint of a canceled or broken run with the same output file. Default: no.</source>
            <translation>Vom letzten Zwischenstand eines abgebrochenen Laufs mit derselben Ausgabedatei weitermachen. Vorgabe: nein.</translation>
        </message>
        <message>
            <source>GeoTIFF with the probability of the mapped class, 0 to 1.</source>
            <translation>GeoTIFF mit der Wahrscheinlichkeit der kartierten Klasse, 0 bis 1.</translation>
        </message>
        <message>
            <source>Accuracy report</source>
            <translation>Genauigkeitsbericht</translation>
        </message>
        <message>
            <source>One HTML file with confusion matrix (rows: reference, columns: map), accuracies and, where they can be made, spectral baselines.</source>
            <translation>Eine HTML-Datei mit Konfusionsmatrix (Zeilen: Referenz, Spalten: Karte), Genauigkeiten und, wo möglich, spektralen Vergleichen.</translation>
        </message>
        <message>
            <source>'{word}' in Other settings is not of the form KEY=VALUE.</source>
            <translation>'{word}' in Weitere Einstellungen hat nicht die Form KEY=VALUE.</translation>
        </message>
        <message>
            <source>'{path}' is not a GeoTIFF, the one format that is written; end it in .tif.</source>
            <translation>'{path}' ist kein GeoTIFF, das einzige Format, das geschrieben wird; lassen Sie den Namen auf .tif enden.</translation>
        </message>
        <message>
            <source>'{path}' is not a GeoPackage, the one format that is written; end it in .gpkg.</source>
            <translation>'{path}' ist kein GeoPackage, das einzige Format, das geschrieben wird; lassen Sie den Namen auf .gpkg enden.</translation>
        </message>
        <message>
            <source>Engine {version} on {device}</source>
            <translation>Engine {version} auf {device}</translation>
        </message>
        <message>
            <source>Engine {version}</source>
            <translation>Engine {version}</translation>
        </message>
        <message>
            <source>{title}: {done} of {total} {unit}</source>
            <translation>{title}: {done} von {total} {unit}</translation>
        </message>
        <message>
            <source>{}, {} left</source>
            <translation>{}, noch {}</translation>
        </message>
        <message>
            <source>The job in {folder} could not be started with {python}: {reason}.</source>
            <translation>Der Auftrag in {folder} konnte nicht mit {python} gestartet werden: {reason}.</translation>
        </message>
        <message>
            <source>Job folder: {folder}</source>
            <translation>Auftragsordner: {folder}</translation>
        </message>
        <message>
            <source>{python} cannot be started: {reason}.</source>
            <translation>{python} kann nicht gestartet werden: {reason}.</translation>
        </message>
        <message>
            <source>Choose another Python.</source>
            <translation>Wählen Sie ein anderes Python.</translation>
        </message>
        <message>
            <source>{python} {ended} when the engine was checked ({last}).</source>
            <translation>{python} {ended}, als die Engine geprüft wurde ({last}).</translation>
        </message>
        <message>
            <source>Choose another Python, or set the engine up anew.</source>
            <translation>Wählen Sie ein anderes Python, oder richten Sie die Engine neu ein.</translation>
        </message>
        <message>
            <source>The card {card} has only {free} MB free.</source>
            <translation>Die Karte {card} hat nur {free} MB frei.</translation>
        </message>
        <message>
            <source>Close other programs that use it, or set the engine up for the processor.</source>
            <translation>Schließen Sie andere Programme, die sie benutzen, oder richten Sie die Engine für den Prozessor ein.</translation>
        </message>
        <message>
            <source>All was installed, but it computes on no NVIDIA graphics card here{}.</source>
            <translation>Alles wurde installiert, rechnet hier aber auf keiner NVIDIA-Grafikkarte{}.</translation>
        </message>
        <message>
            <source>All was installed, but it computes on no Apple GPU here{}.</source>
            <translation>Alles wurde installiert, rechnet hier aber auf keiner Apple-GPU{}.</translation>
        </message>
        <message>
            <source>Update the card's driver, or set the engine up for the processor.</source>
            <translation>Aktualisieren Sie den Treiber der Karte, oder richten Sie die Engine für den Prozessor ein.</translation>
        </message>
        <message>
            <source>The proxy asks for a name and a password.</source>
            <translation>Der Proxy verlangt Name und Passwort.</translation>
        </message>
        <message>
            <source>Enter them in QGIS under Settings &gt; Options &gt; Network, or under Advanced as http://user[:password]@host:port.</source>
            <translation>Tragen Sie sie in QGIS unter Einstellungen &gt; Optionen &gt; Netzwerk ein, oder unter Erweitert als http://user[:password]@host:port.</translation>
        </message>
        <message>
            <source>The connection to {index} shows a certificate that this machine does not trust; a virus scanner or a company's proxy may be reading along.</source>
            <translation>Die Verbindung zu {index} zeigt ein Zertifikat, dem dieser Rechner nicht traut; vielleicht liest ein Virenscanner oder der Proxy einer Firma mit.</translation>
        </message>
        <message>
            <source>Ask your administrator for the certificate, install it in the system, and set SSL_CERT_FILE to it if that is not enough; or use a folder of wheels.</source>
            <translation>Bitten Sie Ihre Administration um das Zertifikat, installieren Sie es im System, und setzen Sie SSL_CERT_FILE darauf, wenn das nicht reicht; oder benutzen Sie einen Wheel-Ordner.</translation>
        </message>
        <message>
            <source>The disk of {folder} is full.</source>
            <translation>Der Datenträger von {folder} ist voll.</translation>
        </message>
        <message>
            <source>Free some space or choose a folder on another disk, then try again: it goes on where it stopped.</source>
            <translation>Schaffen Sie Platz oder wählen Sie einen Ordner auf einem anderen Datenträger, und versuchen Sie es erneut: es geht dort weiter, wo es aufhörte.</translation>
        </message>
        <message>
            <source>The path {folder} is too long for files inside it.</source>
            <translation>Der Pfad {folder} ist zu lang für Dateien darin.</translation>
        </message>
        <message>
            <source>Choose a shorter one.</source>
            <translation>Wählen Sie einen kürzeren.</translation>
        </message>
        <message>
            <source>A file in {folder} is in use by another program.</source>
            <translation>Eine Datei in {folder} wird von einem anderen Programm benutzt.</translation>
        </message>
        <message>
            <source>Wait for the engine's jobs to end, close other QGIS windows, then try again.</source>
            <translation>Warten Sie, bis die Aufträge der Engine beendet sind, schließen Sie andere QGIS-Fenster, und versuchen Sie es erneut.</translation>
        </message>
        <message>
            <source>The folder {folder} may not be written.</source>
            <translation>In den Ordner {folder} darf nicht geschrieben werden.</translation>
        </message>
        <message>
            <source>Choose another folder, or ask who owns it.</source>
            <translation>Wählen Sie einen anderen Ordner, oder fragen Sie, wem er gehört.</translation>
        </message>
        <message>
            <source>A package that was fetched is not the one that was tested (its checksum differs).</source>
            <translation>Ein heruntergeladenes Paket ist nicht das geprüfte (seine Prüfsumme weicht ab).</translation>
        </message>
        <message>
            <source>Try again; if it happens again, {index} serves something else: use another index, and tell its administrator.</source>
            <translation>Versuchen Sie es erneut; geschieht es wieder, liefert {index} etwas anderes: benutzen Sie einen anderen Index, und melden Sie es dessen Administration.</translation>
        </message>
        <message>
            <source>The Python {python} is managed by the system, which lets nothing be installed into it.</source>
            <translation>Das Python {python} wird vom System verwaltet, das nichts hinein installieren lässt.</translation>
        </message>
        <message>
            <source>Install python3-venv (on Debian and Ubuntu), or choose another Python; QGIS's and the system's own stay as they are.</source>
            <translation>Installieren Sie python3-venv (unter Debian und Ubuntu), oder wählen Sie ein anderes Python; die von QGIS und System bleiben, wie sie sind.</translation>
        </message>
        <message>
            <source>The Python {python} cannot make an environment: it lacks venv or ensurepip.</source>
            <translation>Das Python {python} kann keine Umgebung anlegen: ihm fehlt venv oder ensurepip.</translation>
        </message>
        <message>
            <source>Install python3-venv (on Debian and Ubuntu), or choose another Python.</source>
            <translation>Installieren Sie python3-venv (unter Debian und Ubuntu), oder wählen Sie ein anderes Python.</translation>
        </message>
        <message>
            <source>{index} cannot be reached.</source>
            <translation>{index} ist nicht zu erreichen.</translation>
        </message>
        <message>
            <source>Look at the network and at the proxy (Settings &gt; Options &gt; Network) and try again; on a machine without a network use a folder of wheels.</source>
            <translation>Sehen Sie nach Netz und Proxy (Einstellungen &gt; Optionen &gt; Netzwerk), und versuchen Sie es erneut; auf einem Rechner ohne Netz benutzen Sie einen Wheel-Ordner.</translation>
        </message>
        <message>
            <source>The connection to {index} broke off.</source>
            <translation>Die Verbindung zu {index} brach ab.</translation>
        </message>
        <message>
            <source>Try again: what was fetched is kept.</source>
            <translation>Versuchen Sie es erneut: was heruntergeladen wurde, bleibt.</translation>
        </message>
        <message>
            <source>{index} is not secured (it is http, not https), so nothing is taken from it.</source>
            <translation>{index} ist nicht gesichert (http, nicht https), darum wird nichts von dort genommen.</translation>
        </message>
        <message>
            <source>Write https:// where the index has it, or name its host as trusted-host in pip's configuration.</source>
            <translation>Schreiben Sie https://, wenn der Index es hat, oder nennen Sie seinen Host als trusted-host in der Konfiguration von pip.</translation>
        </message>
        <message>
            <source>The Python {python} is too old or too new for the packages.</source>
            <translation>Das Python {python} ist zu alt oder zu neu für die Pakete.</translation>
        </message>
        <message>
            <source>Choose a Python from 3.10 to 3.14, or let uv bring one.</source>
            <translation>Wählen Sie ein Python von 3.10 bis 3.14, oder lassen Sie uv eines mitbringen.</translation>
        </message>
        <message>
            <source>{index} has no {package} for this Python and this system.</source>
            <translation>{index} hat für dieses Python und dieses System kein {package}.</translation>
        </message>
        <message>
            <source>Use another index or another Python; PyTorch comes from {torch}.</source>
            <translation>Benutzen Sie einen anderen Index oder ein anderes Python; PyTorch kommt von {torch}.</translation>
        </message>
        <message>
            <source>{index} refuses to give a package.</source>
            <translation>{index} verweigert ein Paket.</translation>
        </message>
        <message>
            <source>Look at the index's address, its name and password under Advanced.</source>
            <translation>Sehen Sie unter Erweitert nach Adresse, Name und Passwort des Index.</translation>
        </message>
        <message>
            <source>The NVIDIA driver is too old for this PyTorch.</source>
            <translation>Der NVIDIA-Treiber ist zu alt für dieses PyTorch.</translation>
        </message>
        <message>
            <source>Update the driver, or set the engine up for the processor.</source>
            <translation>Aktualisieren Sie den Treiber, oder richten Sie die Engine für den Prozessor ein.</translation>
        </message>
        <message>
            <source>The graphics card has no memory free.</source>
            <translation>Die Grafikkarte hat keinen Speicher frei.</translation>
        </message>
        <message>
            <source>PyTorch finds no NVIDIA graphics card that it can use.</source>
            <translation>PyTorch findet keine NVIDIA-Grafikkarte, die es benutzen kann.</translation>
        </message>
        <message>
            <source>Install NVIDIA's driver, or set the engine up for the processor.</source>
            <translation>Installieren Sie den Treiber von NVIDIA, oder richten Sie die Engine für den Prozessor ein.</translation>
        </message>
        <message>
            <source>The wheel folder {wheels} lacks {package} for this Python and this system.</source>
            <translation>Im Wheel-Ordner {wheels} fehlt für dieses Python und dieses System: {package}.</translation>
        </message>
        <message>
            <source>Fill it with make wheelhouse for this system and this Python, then try again.</source>
            <translation>Füllen Sie ihn mit make wheelhouse für dieses System und dieses Python, und versuchen Sie es erneut.</translation>
        </message>
        <message>
            <source>The set-up stopped: {last}</source>
            <translation>Die Einrichtung brach ab: {last}</translation>
        </message>
        <message>
            <source>The log tells more; Copy Diagnostics takes it along.</source>
            <translation>Das Protokoll sagt mehr; Diagnose kopieren nimmt es mit.</translation>
        </message>
        <message>
            <source>no reason was given.</source>
            <translation>ein Grund wurde nicht genannt.</translation>
        </message>
        <message>
            <source>The Python {} is not there any more.</source>
            <translation>Das Python {} ist nicht mehr da.</translation>
        </message>
        <message>
            <source>that uv brought</source>
            <translation>(von uv mitgebracht)</translation>
        </message>
        <message>
            <source>a package</source>
            <translation>ein Paket</translation>
        </message>
        <message>
            <source>Wait until it has ended, or cancel it there.</source>
            <translation>Warten Sie, bis das beendet ist, oder brechen Sie es dort ab.</translation>
        </message>
        <message>
            <source>What was fetched is kept for the next time.</source>
            <translation>Was heruntergeladen wurde, bleibt für das nächste Mal.</translation>
        </message>
        <message>
            <source>{} does not answer like a Python.</source>
            <translation>{} antwortet nicht wie ein Python.</translation>
        </message>
        <message>
            <source>{python} cannot be used: {reason}.</source>
            <translation>{python} ist nicht brauchbar: {reason}.</translation>
        </message>
        <message>
            <source>{} was not made by Set Up Engine…; remove it yourself.</source>
            <translation>{} wurde nicht von Engine einrichten… angelegt; entfernen Sie es selbst.</translation>
        </message>
        <message>
            <source>Wait until it has ended.</source>
            <translation>Warten Sie, bis das beendet ist.</translation>
        </message>
        <message>
            <source>{path} could not be removed: {reason}.</source>
            <translation>{path} konnte nicht entfernt werden: {reason}.</translation>
        </message>
        <message>
            <source>Another QGIS is setting up the engine in {}.</source>
            <translation>Ein anderes QGIS richtet die Engine in {} gerade ein.</translation>
        </message>
        <message>
            <source>This machine has an {card} ({memory}), driver {driver}.</source>
            <translation>Dieser Rechner hat eine {card} ({memory}), Treiber {driver}.</translation>
        </message>
        <message>
            <source>This is an Apple machine with a GPU of its own.</source>
            <translation>Dies ist ein Apple-Rechner mit eigener GPU.</translation>
        </message>
        <message>
            <source>No NVIDIA graphics card with a working driver was found.</source>
            <translation>Es wurde keine NVIDIA-Grafikkarte mit funktionierendem Treiber gefunden.</translation>
        </message>
        <message>
            <source>it is {}, not CPython</source>
            <translation>es ist {}, nicht CPython</translation>
        </message>
        <message>
            <source>it is a {}-bit Python</source>
            <translation>es ist ein {}-Bit-Python</translation>
        </message>
        <message>
            <source>Python {number} is too old; {oldest} to {newest} will do</source>
            <translation>Python {number} ist zu alt; {oldest} bis {newest} sind geeignet</translation>
        </message>
        <message>
            <source>Python {number} is too new; {oldest} to {newest} will do</source>
            <translation>Python {number} ist zu neu; {oldest} bis {newest} sind geeignet</translation>
        </message>
        <message>
            <source>it lacks venv or ensurepip (on Debian and Ubuntu: install python3-venv)</source>
            <translation>ihm fehlt venv oder ensurepip (unter Debian und Ubuntu: python3-venv installieren)</translation>
        </message>
        <message>
            <source>The whole engine: pretraining, training, classification and assessment.</source>
            <translation>Die ganze Engine: Vortraining, Training, Klassifikation und Bewertung.</translation>
        </message>
        <message>
            <source>Classification and assessment with models that others trained; no training.</source>
            <translation>Klassifikation und Bewertung mit Modellen, die andere trainiert haben; kein Training.</translation>
        </message>
        <message>
            <source>Computes on the processor.</source>
            <translation>Rechnet auf dem Prozessor.</translation>
        </message>
        <message>
            <source>Computes on NVIDIA graphics cards.</source>
            <translation>Rechnet auf NVIDIA-Grafikkarten.</translation>
        </message>
        <message>
            <source>Computes on the Apple GPU.</source>
            <translation>Rechnet auf der Apple-GPU.</translation>
        </message>
        <message>
            <source>Exported classifiers (.onnx) are mapped on the processor: on NVIDIA cards that takes Python 3.11 or newer.</source>
            <translation>Mit exportierten Klassifikatoren (.onnx) wird auf dem Prozessor kartiert: auf NVIDIA-Karten braucht das Python 3.11 oder neuer.</translation>
        </message>
        <message>
            <source>From the folder {}; no network is used.</source>
            <translation>Aus dem Ordner {}; kein Netz wird benutzt.</translation>
        </message>
        <message>
            <source>Fetches about {size} from {hosts}.</source>
            <translation>Lädt etwa {size} von {hosts} herunter.</translation>
        </message>
        <message>
            <source>Takes about {size} in {folder}; {free} are free there.</source>
            <translation>Braucht etwa {size} in {folder}; dort sind {free} frei.</translation>
        </message>
        <message>
            <source>PyTorch comes on top of that; its size was not measured.</source>
            <translation>Dazu kommt PyTorch; seine Größe wurde nicht gemessen.</translation>
        </message>
        <message>
            <source>QGIS's own Python stays as it is.</source>
            <translation>Das Python von QGIS bleibt, wie es ist.</translation>
        </message>
        <message>
            <source>The engine that is there stays until the new one has passed its check.</source>
            <translation>Die vorhandene Engine bleibt, bis die neue ihre Prüfung bestanden hat.</translation>
        </message>
        <message>
            <source>{first} and {last}</source>
            <translation>{first} und {last}</translation>
        </message>
        <message>
            <source>uv, which is fetched first</source>
            <translation>uv, das zuerst heruntergeladen wird</translation>
        </message>
        <message>
            <source>Installed by {tool}; it brings a Python {version} of its own.</source>
            <translation>Installiert mit {tool}; es bringt ein eigenes Python {version} mit.</translation>
        </message>
        <message>
            <source>Built from {python} by {tool}.</source>
            <translation>Aufgebaut aus {python} mit {tool}.</translation>
        </message>
        <message>
            <source>The wheel folder {} holds no wheels (.whl). Choose the folder that make wheelhouse filled, or leave it empty to use the network.</source>
            <translation>Der Wheel-Ordner {} enthält keine Wheels (.whl). Wählen Sie den Ordner, den make wheelhouse gefüllt hat, oder lassen Sie das Feld leer, um das Netz zu benutzen.</translation>
        </message>
        <message>
            <source>The disk of {folder} has {free} free; {needed} are needed. Free some space, or choose a folder on another disk.</source>
            <translation>Der Datenträger von {folder} hat {free} frei; gebraucht werden {needed}. Schaffen Sie Platz, oder wählen Sie einen Ordner auf einem anderen Datenträger.</translation>
        </message>
        <message>
            <source>CPU</source>
            <translation>CPU</translation>
        </message>
        <message>
            <source>NVIDIA GPU</source>
            <translation>NVIDIA-GPU</translation>
        </message>
        <message>
            <source>Apple GPU</source>
            <translation>Apple-GPU</translation>
        </message>
        <message>
            <source>There are no ready-made packages for {system} on {machine}. Set the engine up on another machine, or choose an interpreter that has the packages.</source>
            <translation>Für {system} auf {machine} gibt es keine fertigen Pakete. Richten Sie die Engine auf einem anderen Rechner ein, oder wählen Sie einen Interpreter, der die Pakete hat.</translation>
        </message>
        <message>
            <source>There is no PyTorch for the device {device} on {system}. Choose the processor.</source>
            <translation>Für das Gerät {device} gibt es unter {system} kein PyTorch. Wählen Sie den Prozessor.</translation>
        </message>
        <message>
            <source>The NVIDIA driver {driver} is too old for these packages, which need {least} or newer. Update the driver, or choose the processor.</source>
            <translation>Der NVIDIA-Treiber {driver} ist zu alt für diese Pakete, die {least} oder neuer brauchen. Aktualisieren Sie den Treiber, oder wählen Sie den Prozessor.</translation>
        </message>
        <message>
            <source>Mapping exported classifiers on NVIDIA cards takes Python 3.11 or newer; {python} is {version}. Choose another Python under Advanced, or the processor.</source>
            <translation>Exportierte Klassifikatoren auf NVIDIA-Karten anzuwenden braucht Python 3.11 oder neuer; {python} ist {version}. Wählen Sie unter „Erweitert“ ein anderes Python, oder den Prozessor.</translation>
        </message>
        <message>
            <source>No Python was found that the engine can be built from ({found}). Install Python {version} from python.org or your distribution, then try again.</source>
            <translation>Es wurde kein Python gefunden, aus dem die Engine aufgebaut werden kann ({found}). Installieren Sie Python {version} von python.org oder aus Ihrer Distribution, und versuchen Sie es dann erneut.</translation>
        </message>
        <message>
            <source>none at all</source>
            <translation>gar keines</translation>
        </message>
        <message>
            <source>{} lies inside the plugin, which an update of the plugin deletes. Choose a folder outside it.</source>
            <translation>{} liegt im Ordner des Plugins, den ein Update des Plugins löscht. Wählen Sie einen Ordner außerhalb.</translation>
        </message>
        <message>
            <source>The path {folder} is too long: files inside it would have {length} characters, {most} are possible. Choose a shorter one.</source>
            <translation>Der Pfad {folder} ist zu lang: Dateien darin hätten {length} Zeichen, möglich sind {most}. Wählen Sie einen kürzeren.</translation>
        </message>
        <message>
            <source>{} is a file. Choose a folder.</source>
            <translation>{} ist eine Datei. Wählen Sie einen Ordner.</translation>
        </message>
        <message>
            <source>The folder {} holds other files, which would be replaced. Choose an empty or a new folder.</source>
            <translation>Der Ordner {} enthält andere Dateien, die ersetzt würden. Wählen Sie einen leeren oder einen neuen Ordner.</translation>
        </message>
        <message>
            <source>The folder {} may not be written by you. Choose another folder.</source>
            <translation>In den Ordner {} dürfen Sie nicht schreiben. Wählen Sie einen anderen Ordner.</translation>
        </message>
        <message>
            <source>Found the training polygons {}; nothing says of which scene they are.</source>
            <translation>Trainingspolygone {} gefunden; zu welcher Szene sie gehören, ist nirgends vermerkt.</translation>
        </message>
        <message>
            <source>{} (earlier)</source>
            <translation>{} (früher)</translation>
        </message>
        <message>
            <source>'{}' cannot be the name of a file.</source>
            <translation>'{}' kann kein Dateiname sein.</translation>
        </message>
        <message>
            <source>There is a file {} already; choose another name.</source>
            <translation>Es gibt schon eine Datei {}; wählen Sie einen anderen Namen.</translation>
        </message>
        <message>
            <source>{} is not a model of MTMSD.</source>
            <translation>{} ist kein Modell von MTMSD.</translation>
        </message>
        <message>
            <source>Set to {shown}, its file says {written}: set the layer back, or the file right (Assign Projection), else polygons lie elsewhere for the engine, which reads the file.</source>
            <translation>Auf {shown} gesetzt, in der Datei steht {written}: setzen Sie den Layer zurück oder berichtigen Sie die Datei (Projektion zuweisen), sonst liegen die Polygone für die Engine, die die Datei liest, an anderer Stelle.</translation>
        </message>
        <message>
            <source>none</source>
            <translation>keines</translation>
        </message>
        <message>
            <source>There is no folder to write to: {} cannot be created.</source>
            <translation>Es gibt keinen Ordner zum Schreiben: {} kann nicht angelegt werden.</translation>
        </message>
        <message>
            <source>{} holds no classes.</source>
            <translation>{} enthält keine Klassen.</translation>
        </message>
        <message>
            <source>number</source>
            <translation>Nummer</translation>
        </message>
        <message>
            <source>name</source>
            <translation>Name</translation>
        </message>
        <message>
            <source>{file} has the {what} {value} twice.</source>
            <translation>{file}: {what} {value} kommt zweimal vor.</translation>
        </message>
        <message>
            <source>{} needs the columns value, name and colour.</source>
            <translation>{} braucht die Spalten value, name und colour.</translation>
        </message>
        <message>
            <source>line {}</source>
            <translation>Zeile {}</translation>
        </message>
        <message>
            <source>{}, {}: a cell is missing.</source>
            <translation>{}, {}: eine Zelle fehlt.</translation>
        </message>
        <message>
            <source>{file}, {place}: '{value}' is no class number from 1 to {most}.</source>
            <translation>{file}, {place}: '{value}' ist keine Klassennummer von 1 bis {most}.</translation>
        </message>
        <message>
            <source>{file}, {place}: '{color}' is no colour; write it like #1a7837.</source>
            <translation>{file}, {place}: '{color}' ist keine Farbe; schreiben Sie sie wie #1a7837.</translation>
        </message>
        <message>
            <source>class {}</source>
            <translation>Klasse {}</translation>
        </message>
        <message>
            <source>{} is no style of QGIS.</source>
            <translation>{} ist kein QGIS-Stil.</translation>
        </message>
        <message>
            <source>{} is a style of another kind: it has neither categories nor a palette.</source>
            <translation>{} ist ein Stil anderer Art: er hat weder Kategorien noch eine Palette.</translation>
        </message>
        <message>
            <source>{} cannot be written: {}.</source>
            <translation>{} kann nicht geschrieben werden: {}.</translation>
        </message>
        <message>
            <source>{} cannot be read: {}.</source>
            <translation>{} kann nicht gelesen werden: {}.</translation>
        </message>
        <message>
            <source>The imported spectra in {} are of other bands; import them again.</source>
            <translation>Die importierten Spektren in {} haben andere Kanäle; importieren Sie sie neu.</translation>
        </message>
        <message>
            <source>{} cannot be written, so unsaved polygons were not recovered.</source>
            <translation>{} kann nicht geschrieben werden, darum wurden nicht gespeicherte Polygone nicht wiederhergestellt.</translation>
        </message>
        <message>
            <source>{path} cannot be written: {reason}.</source>
            <translation>{path} kann nicht geschrieben werden: {reason}.</translation>
        </message>
        <message>
            <source>The field '{field}' of '{layer}' holds the class {value}; classes are whole numbers from 1 to {most}. Choose another field, or renumber them.</source>
            <translation>Das Feld '{field}' von '{layer}' enthält die Klasse {value}; Klassen sind ganze Zahlen von 1 bis {most}. Wählen Sie ein anderes Feld oder nummerieren Sie die Klassen um.</translation>
        </message>
        <message>
            <source>{} has more than {} values; it holds no classes.</source>
            <translation>{} hat mehr als {} Werte; es enthält keine Klassen.</translation>
        </message>
        <message>
            <source>{} has {} regions, too many to be edited as polygons; train with the raster itself, in the Processing Toolbox.</source>
            <translation>{} hat {} Regionen, zu viele, um sie als Polygone zu bearbeiten; trainieren Sie in den Verarbeitungswerkzeugen mit dem Raster selbst.</translation>
        </message>
        <message>
            <source>{} is in a folder that cannot be written, so its polygons are read-only.</source>
            <translation>{} liegt in einem Ordner, in den nicht geschrieben werden kann; die Polygone sind daher schreibgeschützt.</translation>
        </message>
        <message>
            <source>Another QGIS (process {pid} on {host}) edits {file}; here its polygons are read-only. If that QGIS is gone, delete {lock}.</source>
            <translation>Ein anderes QGIS (Prozess {pid} auf {host}) bearbeitet {file}; hier sind die Polygone schreibgeschützt. Wenn jenes QGIS nicht mehr läuft, löschen Sie {lock}.</translation>
        </message>
        <message>
            <source>{layer} cannot be brought from its coordinate system, {own}, to the scene's, {scene}; check both.</source>
            <translation>{layer} lässt sich nicht von seinem Koordinatensystem, {own}, in das der Szene, {scene}, umrechnen; prüfen Sie beide.</translation>
        </message>
        <message>
            <source>The coordinate system of {}, {}, is of no place; the scene's was taken.</source>
            <translation>Das Koordinatensystem von {}, {}, hat keinen Ortsbezug; das der Szene wurde genommen.</translation>
        </message>
        <message>
            <source>{} has no coordinate system; the scene's was taken.</source>
            <translation>{} hat kein Koordinatensystem; das der Szene wurde genommen.</translation>
        </message>
        <message>
            <source>Without a place in the scene's coordinate system, not taken: {}</source>
            <translation>Ohne Ort im Koordinatensystem der Szene, nicht übernommen: {}</translation>
        </message>
        <message>
            <source>{} cannot be read.</source>
            <translation>{} kann nicht gelesen werden.</translation>
        </message>
        <message>
            <source>{} is not written; choose .csv, .sli or .gpkg.</source>
            <translation>{} wird nicht geschrieben; wählen Sie .csv, .sli oder .gpkg.</translation>
        </message>
        <message>
            <source>{} cannot be opened as training polygons.</source>
            <translation>{} kann nicht als Trainingspolygone geöffnet werden.</translation>
        </message>
        <message>
            <source>No class</source>
            <translation>Keine Klasse</translation>
        </message>
    </context>
    <context>
        <name>MapLegend</name>
        <message>
            <source>Class</source>
            <translation>Klasse</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Pixel</translation>
        </message>
        <message>
            <source>Area</source>
            <translation>Fläche</translation>
        </message>
        <message>
            <source>Pixels and area of each class in the map; right click: hide it, its opacity</source>
            <translation>Pixel und Fläche jeder Klasse in der Karte; Rechtsklick: ausblenden, Deckkraft</translation>
        </message>
        <message>
            <source>The map has a style of your own, without classes.</source>
            <translation>Die Karte hat einen eigenen Stil ohne Klassen.</translation>
        </message>
        <message>
            <source>Show the class in the map; its opacity: {}</source>
            <translation>Die Klasse in der Karte zeigen; ihre Deckkraft: {}</translation>
        </message>
        <message>
            <source>Hide the Class</source>
            <translation>Klasse ausblenden</translation>
        </message>
        <message>
            <source>Show the Class</source>
            <translation>Klasse einblenden</translation>
        </message>
        <message>
            <source>Show Only This Class</source>
            <translation>Nur diese Klasse zeigen</translation>
        </message>
        <message>
            <source>Show All Classes</source>
            <translation>Alle Klassen zeigen</translation>
        </message>
        <message>
            <source>Opacity {}</source>
            <translation>Deckkraft {}</translation>
        </message>
    </context>
    <context>
        <name>MapOptions</name>
        <message>
            <source>Stack of several</source>
            <translation>Stacking mehrerer</translation>
        </message>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>Support vector machine</source>
            <translation>Support Vector Machine</translation>
        </message>
        <message>
            <source>SVM, tuned by polygons</source>
            <translation>SVM, nach Polygonen abgestimmt</translation>
        </message>
        <message>
            <source>Random forest</source>
            <translation>Random Forest</translation>
        </message>
        <message>
            <source>Another classifier, and filters for the finished map</source>
            <translation>Ein anderer Klassifikator und Filter für die fertige Karte</translation>
        </message>
        <message>
            <source>spectra and surroundings</source>
            <translation>Spektren und Umgebung</translation>
        </message>
        <message>
            <source>spectra only</source>
            <translation>nur Spektren</translation>
        </message>
        <message>
            <source>The stack listens to several classifiers, and to MTMSD once the scene is pretrained; MTMSD alone learns from spectra and their surroundings on the pretrained model; the others see spectra only. All but MTMSD need no model and take seconds without one</source>
            <translation>Das Stacking hört auf mehrere Klassifikatoren und, sobald die Szene vortrainiert ist, auch auf MTMSD; MTMSD allein lernt auf dem vortrainierten Modell aus Spektren und ihrer Umgebung; die anderen sehen nur Spektren. Alle außer MTMSD kommen ohne Modell aus und brauchen dann nur Sekunden</translation>
        </message>
        <message>
            <source>Rare classes matter</source>
            <translation>Seltene Klassen stärken</translation>
        </message>
        <message>
            <source>Classes of few training pixels are found more often, at the cost of the large ones: a higher average accuracy, a little less overall accuracy</source>
            <translation>Klassen mit wenigen Trainingspixeln werden öfter gefunden, auf Kosten der großen: die mittlere Genauigkeit ist höher, die Gesamtgenauigkeit etwas geringer</translation>
        </message>
        <message>
            <source> %</source>
            <translation> %</translation>
        </message>
        <message>
            <source>Pixels of lower confidence get a class of their own, 'unknown'</source>
            <translation>Pixel geringerer Konfidenz bekommen eine eigene Klasse, 'unknown'</translation>
        </message>
        <message>
            <source>Off</source>
            <translation>Aus</translation>
        </message>
        <message>
            <source>{0} × {0} px</source>
            <translation>{0} × {0} px</translation>
        </message>
        <message>
            <source>Each pixel gets the most frequent class of the square around it</source>
            <translation>Jedes Pixel bekommt die häufigste Klasse des Quadrats um es herum</translation>
        </message>
        <message>
            <source> px</source>
            <translation> px</translation>
        </message>
        <message>
            <source>Minimum mapping unit: smaller regions join their largest neighbour</source>
            <translation>Kleinste Kartiereinheit: kleinere Flächen gehen in ihrem größten Nachbarn auf</translation>
        </message>
        <message>
            <source>By the polygons</source>
            <translation>Nach den Polygonen</translation>
        </message>
        <message>
            <source>Side of the squares in which regions with true edges begin</source>
            <translation>Seite der Quadrate, mit denen Regionen mit echten Grenzen beginnen</translation>
        </message>
        <message>
            <source>Unknown below</source>
            <translation>Unbekannt unter</translation>
        </message>
        <message>
            <source>Smooth by majority</source>
            <translation>Mehrheitsfilter</translation>
        </message>
        <message>
            <source>Smallest region</source>
            <translation>Kleinste Fläche</translation>
        </message>
        <message>
            <source>Size of regions</source>
            <translation>Größe der Regionen</translation>
        </message>
        <message>
            <source>rare classes</source>
            <translation>seltene Klassen</translation>
        </message>
        <message>
            <source>filters</source>
            <translation>Filter</translation>
        </message>
        <message>
            <source>More</source>
            <translation>Mehr</translation>
        </message>
    </context>
    <context>
        <name>MapProducts</name>
        <message>
            <source>Polygoni&amp;ze</source>
            <translation>&amp;Polygone bilden</translation>
        </message>
        <message>
            <source>Regions with True E&amp;dges</source>
            <translation>Regionen &amp;mit echten Grenzen</translation>
        </message>
        <message>
            <source>Where to Label Ne&amp;xt</source>
            <translation>Punkte vorsch&amp;lagen</translation>
        </message>
        <message>
            <source>The map's regions with class, area and confidence, as a GeoPackage</source>
            <translation>Die Flächen der Karte mit Klasse, Fläche und Konfidenz, als GeoPackage</translation>
        </message>
        <message>
            <source>Regions that are learnt with their classes from the training polygons, with the share of each class, and what they cost beside this map</source>
            <translation>Regionen, die mit ihren Klassen aus den Trainingspolygonen gelernt werden, mit dem Anteil jeder Klasse, und was sie gegenüber dieser Karte kosten</translation>
        </message>
        <message>
            <source>20 places in doubt, spread over the scene, to be labelled</source>
            <translation>20 zweifelhafte Stellen, über die Szene verteilt, um ihnen eine Klasse zu geben</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Zuerst kommt Szene kartieren.</translation>
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation>Zeichnen Sie zuerst Trainingspolygone.</translation>
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation>Die Datei des Klassifikators ist weg; klicken Sie noch einmal auf Szene kartieren.</translation>
        </message>
        <message>
            <source>Outlining the map's regions</source>
            <translation>Die Flächen der Karte werden umrissen</translation>
        </message>
        <message>
            <source>Learning regions with true edges</source>
            <translation>Regionen mit echten Grenzen werden gelernt</translation>
        </message>
        <message>
            <source>Looking for places to label</source>
            <translation>Zweifelhafte Stellen werden gesucht</translation>
        </message>
        <message>
            <source>Mapping with probabilities</source>
            <translation>Kartierung mit Wahrscheinlichkeiten</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polygone</translation>
        </message>
        <message>
            <source>{polygons} outline the map's regions: {file}</source>
            <translation>{polygons} umgrenzen die Flächen der Karte: {file}</translation>
        </message>
        <message>
            <source>Class map of the regions</source>
            <translation>Klassenkarte der Regionen</translation>
        </message>
        <message>
            <source>Regions with true edges</source>
            <translation>Regionen mit echten Grenzen</translation>
        </message>
        <message>
            <source>{count} regions with true edges.</source>
            <translation>{count} Regionen mit echten Grenzen.</translation>
        </message>
        <message>
            <source>Held-out pixels that have the class of their region: {overall}; at best, with these regions: {achievable}.</source>
            <translation>Zurückgehaltene Pixel, die die Klasse ihrer Region haben: {overall}; mit diesen Regionen bestenfalls: {achievable}.</translation>
        </message>
        <message>
            <source>The map of single pixels: {}.</source>
            <translation>Die Karte aus einzelnen Pixeln: {}.</translation>
        </message>
        <message>
            <source>Report: {}</source>
            <translation>Bericht: {}</translation>
        </message>
        <message>
            <source>Points to label</source>
            <translation>Vorgeschlagene Punkte</translation>
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation>{} kann nicht als Vektorlayer geöffnet werden.</translation>
        </message>
    </context>
    <context>
        <name>MapSection</name>
        <message>
            <source>6  Map</source>
            <translation>6  Karte</translation>
        </message>
        <message>
            <source>Previe&amp;w</source>
            <translation>&amp;Vorschau</translation>
        </message>
        <message>
            <source>&amp;Map Scene</source>
            <translation>S&amp;zene kartieren</translation>
        </message>
        <message>
            <source>Map what the map window shows, as a temporary layer</source>
            <translation>Kartieren, was das Kartenfenster zeigt, als temporären Layer</translation>
        </message>
        <message>
            <source>Map the whole raster into a GeoTIFF, with its confidence</source>
            <translation>Das ganze Raster in ein GeoTIFF kartieren, mit Konfidenz</translation>
        </message>
        <message>
            <source>Models…</source>
            <translation>Modelle…</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Wählen Sie zuerst eine Szene.</translation>
        </message>
        <message>
            <source>What was learned: look, use, rename, export, delete, free disk space</source>
            <translation>Was gelernt wurde: ansehen, benutzen, umbenennen, exportieren, löschen, Speicherplatz freigeben</translation>
        </message>
        <message>
            <source>Polygons or classifier have changed since {}.</source>
            <translation>Polygone oder Klassifikator haben sich seit {} geändert.</translation>
        </message>
        <message>
            <source>The filters have changed since {}.</source>
            <translation>Die Filter haben sich seit {} geändert.</translation>
        </message>
        <message>
            <source>Map: {}</source>
            <translation>Karte: {}</translation>
        </message>
        <message>
            <source>Ready to map.</source>
            <translation>Bereit zum Kartieren.</translation>
        </message>
        <message>
            <source>Ready for a first map, without pretraining.</source>
            <translation>Bereit für eine erste Karte, ohne Vortraining.</translation>
        </message>
        <message>
            <source>From a library alone: {}.</source>
            <translation>Nur aus einer Bibliothek: {}.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Wartet auf die Kanäle des Rasters.</translation>
        </message>
        <message>
            <source>Pretrain the scene first, or choose another classifier under More.</source>
            <translation>Trainieren Sie zuerst die Szene vor oder wählen Sie unter Mehr einen anderen Klassifikator.</translation>
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation>Zeichnen Sie zuerst Trainingspolygone.</translation>
        </message>
        <message>
            <source>The classifier MTMSD cannot learn spectra; choose another under More, or use none of them for training.</source>
            <translation>Der Klassifikator MTMSD kann keine Spektren lernen; wählen Sie unter Mehr einen anderen, oder benutzen Sie keines von ihnen zum Training.</translation>
        </message>
        <message>
            <source>Draw polygons of at least two classes.</source>
            <translation>Zeichnen Sie Polygone von mindestens zwei Klassen.</translation>
        </message>
        <message>
            <source>Draw more of {}: each class needs {} pixels.</source>
            <translation>Zeichnen Sie mehr von {}: jede Klasse braucht {} Pixel.</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Warten Sie, bis der laufende Auftrag beendet ist.</translation>
        </message>
        <message>
            <source>The map window shows no part of the scene; zoom to it first.</source>
            <translation>Das Kartenfenster zeigt keinen Teil der Szene; zoomen Sie zuerst darauf.</translation>
        </message>
        <message>
            <source>Learning the classes</source>
            <translation>Klassen werden gelernt</translation>
        </message>
        <message>
            <source>Mapping the view</source>
            <translation>Ausschnitt wird kartiert</translation>
        </message>
        <message>
            <source>Mapping the scene</source>
            <translation>Szene wird kartiert</translation>
        </message>
        <message>
            <source>Canceled; nothing was changed.</source>
            <translation>Abgebrochen; nichts wurde geändert.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Klassenkarte</translation>
        </message>
        <message>
            <source>Preview</source>
            <translation>Vorschau</translation>
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation>{} kann nicht als Raster geöffnet werden.</translation>
        </message>
    </context>
    <context>
        <name>MapView</name>
        <message>
            <source>What the map was made with</source>
            <translation>Womit die Karte erstellt wurde</translation>
        </message>
        <message>
            <source>Opacity of the map over the scene</source>
            <translation>Deckkraft der Karte über der Szene</translation>
        </message>
        <message>
            <source>Con&amp;fidence</source>
            <translation>Kon&amp;fidenz</translation>
        </message>
        <message>
            <source>Map Scene writes the confidence too.</source>
            <translation>Szene kartieren schreibt auch die Konfidenz.</translation>
        </message>
        <message>
            <source>Opacit&amp;y</source>
            <translation>&amp;Deckkraft</translation>
        </message>
        <message>
            <source>Show how sure the classifier is, from 0 to 1</source>
            <translation>Zeigen, wie sicher der Klassifikator ist, von 0 bis 1</translation>
        </message>
        <message>
            <source>Confidence</source>
            <translation>Konfidenz</translation>
        </message>
    </context>
    <context>
        <name>MaskRow</name>
        <message>
            <source>No mask</source>
            <translation>Keine Maske</translation>
        </message>
        <message>
            <source>Clouds, shadow, water to leave out: polygons, a raster on the scene's grid (all but 0), or the masks that come with a scene of EnMAP, EMIT or PRISMA</source>
            <translation>Wolken, Schatten, Wasser, die ausgelassen werden: Polygone, ein Raster auf dem Gitter der Szene (alles außer 0) oder die Masken, die einer Szene von EnMAP, EMIT oder PRISMA beiliegen</translation>
        </message>
        <message>
            <source>What of a raster mask is meant: bits=10,11 or values=3,8; empty: all but 0</source>
            <translation>Was von einer Rastermaske gemeint ist: bits=10,11 oder values=3,8; leer: alles außer 0</translation>
        </message>
        <message>
            <source>A mask is remembered by its file, and the layer {} has none; save it as one.</source>
            <translation>Eine Maske merkt sich das Plugin über ihre Datei, und der Layer {} hat keine; speichern Sie ihn als Datei.</translation>
        </message>
        <message>
            <source>Masks of the product</source>
            <translation>Masken des Produkts</translation>
        </message>
    </context>
    <context>
        <name>MatrixView</name>
        <message>
            <source>Map</source>
            <translation>Karte</translation>
        </message>
        <message>
            <source>Reference</source>
            <translation>Referenz</translation>
        </message>
        <message>
            <source>{} pixels of {} are mapped as {}</source>
            <translation>{} Pixel von {} sind als {} kartiert</translation>
        </message>
    </context>
    <context>
        <name>ModelsDialog</name>
        <message>
            <source>Models of {}</source>
            <translation>Modelle von {}</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Name</translation>
        </message>
        <message>
            <source>Kind</source>
            <translation>Art</translation>
        </message>
        <message>
            <source>Size</source>
            <translation>Größe</translation>
        </message>
        <message>
            <source>Date</source>
            <translation>Datum</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Szene</translation>
        </message>
        <message>
            <source>&amp;Use</source>
            <translation>B&amp;enutzen</translation>
        </message>
        <message>
            <source>Re&amp;name…</source>
            <translation>U&amp;mbenennen…</translation>
        </message>
        <message>
            <source>E&amp;xport…</source>
            <translation>E&amp;xportieren…</translation>
        </message>
        <message>
            <source>&amp;Delete…</source>
            <translation>Lö&amp;schen…</translation>
        </message>
        <message>
            <source>&amp;Free Disk Space…</source>
            <translation>Speicherplatz &amp;freigeben…</translation>
        </message>
        <message>
            <source>In use for {}.</source>
            <translation>Benutzt für {}.</translation>
        </message>
        <message>
            <source>No model is selected.</source>
            <translation>Kein Modell ist gewählt.</translation>
        </message>
        <message>
            <source>Select a model.</source>
            <translation>Wählen Sie ein Modell.</translation>
        </message>
        <message>
            <source>Map the scene with this classifier now</source>
            <translation>Die Szene jetzt mit diesem Klassifikator kartieren</translation>
        </message>
        <message>
            <source>Take this diffusion model for the scene</source>
            <translation>Dieses Diffusionsmodell für die Szene nehmen</translation>
        </message>
        <message>
            <source>Give the file another name</source>
            <translation>Der Datei einen anderen Namen geben</translation>
        </message>
        <message>
            <source>Copy the file; one with a network also as ONNX</source>
            <translation>Die Datei kopieren; mit Netz auch als ONNX</translation>
        </message>
        <message>
            <source>Delete the file, after a question</source>
            <translation>Die Datei nach Rückfrage löschen</translation>
        </message>
        <message>
            <source>The scene has no folder yet.</source>
            <translation>Die Szene hat noch keinen Ordner.</translation>
        </message>
        <message>
            <source>Delete earlier maps, reports and checkpoints of this scene that nothing shows or needs any more, after a question; models and polygons stay</source>
            <translation>Frühere Karten, Berichte und Zwischenstände dieser Szene, die nichts mehr zeigt oder braucht, nach Rückfrage löschen; Modelle und Polygone bleiben</translation>
        </message>
        <message>
            <source>Rename Model</source>
            <translation>Modell umbenennen</translation>
        </message>
        <message>
            <source>Delete {}? This cannot be undone.</source>
            <translation>{} löschen? Das lässt sich nicht rückgängig machen.</translation>
        </message>
        <message>
            <source>MTMSD model (*.safetensors)</source>
            <translation>MTMSD-Modell (*.safetensors)</translation>
        </message>
        <message>
            <source>ONNX (*.onnx)</source>
            <translation>ONNX (*.onnx)</translation>
        </message>
        <message>
            <source>Export Model</source>
            <translation>Modell exportieren</translation>
        </message>
        <message>
            <source>{} is the file itself; choose another.</source>
            <translation>{} ist die Datei selbst; wählen Sie eine andere.</translation>
        </message>
        <message>
            <source>The model was saved to {}.</source>
            <translation>Das Modell wurde in {} gespeichert.</translation>
        </message>
        <message>
            <source>{} is no classifier with a diffusion network; only those are written as ONNX. Export it as .safetensors.</source>
            <translation>{} ist kein Klassifikator mit Diffusionsnetz; nur solche werden als ONNX geschrieben. Exportieren Sie ihn als .safetensors.</translation>
        </message>
        <message>
            <source>Exporting {}</source>
            <translation>{} wird exportiert</translation>
        </message>
        <message>
            <source>The classifier was exported to {}.</source>
            <translation>Der Klassifikator wurde in {} exportiert.</translation>
        </message>
        <message>
            <source>Nothing to delete: all files of {} are needed.</source>
            <translation>Nichts zu löschen: alle Dateien in {} werden gebraucht.</translation>
        </message>
        <message>
            <source>Files of earlier maps: {count}, {size}. Delete them? Neither this project nor the scene needs them; another project that shows them loses them. This cannot be undone.</source>
            <translation>Dateien früherer Karten: {count}, {size}. Löschen? Weder dieses Projekt noch die Szene braucht sie; ein anderes Projekt, das sie zeigt, verliert sie. Das lässt sich nicht rückgängig machen.</translation>
        </message>
        <message>
            <source>{} are free now.</source>
            <translation>{} freigegeben.</translation>
        </message>
        <message>
            <source>A job works in {}; wait until it has ended.</source>
            <translation>In {} arbeitet ein Auftrag; warten Sie, bis er beendet ist.</translation>
        </message>
        <message>
            <source>Delete</source>
            <translation>Löschen</translation>
        </message>
    </context>
    <context>
        <name>MoreSettings</name>
        <message>
            <source>More settings</source>
            <translation>Weitere Einstellungen</translation>
        </message>
        <message>
            <source>Seldom needed; the Processing help lists every number</source>
            <translation>Selten nötig; die Hilfe des Algorithmus nennt jede Zahl</translation>
        </message>
        <message>
            <source>The same seed on the same machine gives the same map</source>
            <translation>Derselbe Startwert auf demselben Rechner ergibt dieselbe Karte</translation>
        </message>
        <message>
            <source>Bands to leave out besides the bad ones that are found</source>
            <translation>Kanäle, die außer den gefundenen schlechten ausgelassen werden</translation>
        </message>
        <message>
            <source>Single numbers of the preset, as KEY=VALUE</source>
            <translation>Einzelne Zahlen der Voreinstellung, als KEY=VALUE</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Startwert</translation>
        </message>
        <message>
            <source>Leave &amp;out</source>
            <translation>A&amp;uslassen</translation>
        </message>
        <message>
            <source>Num&amp;bers</source>
            <translation>Za&amp;hlen</translation>
        </message>
    </context>
    <context>
        <name>MtmsdDock</name>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>choose a hyperspectral raster, or open one.</source>
            <translation>ein Hyperspektralraster wählen oder öffnen.</translation>
        </message>
        <message>
            <source>learn the scene without labels, in the background.</source>
            <translation>die Szene ohne Trainingspolygone lernen, im Hintergrund.</translation>
        </message>
        <message>
            <source>add classes, or take them from a layer.</source>
            <translation>Klassen hinzufügen oder aus einem Layer übernehmen.</translation>
        </message>
        <message>
            <source>draw some polygons of each class.</source>
            <translation>einige Polygone jeder Klasse zeichnen.</translation>
        </message>
        <message>
            <source>see whether the classes can be told apart.</source>
            <translation>prüfen, ob sich die Klassen trennen lassen.</translation>
        </message>
        <message>
            <source>preview what you see, then map the scene.</source>
            <translation>erst den Ausschnitt als Vorschau, dann die Szene kartieren.</translation>
        </message>
        <message>
            <source>how far the map can be trusted.</source>
            <translation>wie weit der Karte zu trauen ist.</translation>
        </message>
        <message>
            <source>No browser opens the page; it is {}.</source>
            <translation>Kein Browser öffnet die Seite; sie liegt unter {}.</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>Die Engine ist bereit.</translation>
        </message>
        <message>
            <source>{} came to its end while QGIS was closed.</source>
            <translation>{} wurde fertig, während QGIS geschlossen war.</translation>
        </message>
        <message>
            <source>{} is done after {}.</source>
            <translation>{} ist nach {} fertig.</translation>
        </message>
        <message>
            <source>{} was removed; the running job goes on with its file.</source>
            <translation>{} wurde entfernt; der laufende Auftrag arbeitet mit der Datei weiter.</translation>
        </message>
    </context>
    <context>
        <name>OtherScenes</name>
        <message>
            <source>Map Other Scenes…</source>
            <translation>Weitere Szenen kartieren…</translation>
        </message>
        <message>
            <source>Map layers, files or the scenes of a folder with this scene's classifier</source>
            <translation>Layer, Dateien oder die Szenen eines Ordners mit dem Klassifikator dieser Szene kartieren</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Zuerst kommt Szene kartieren.</translation>
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation>Die Datei des Klassifikators ist weg; klicken Sie noch einmal auf Szene kartieren.</translation>
        </message>
        <message>
            <source>Mapping other scenes</source>
            <translation>Weitere Szenen werden kartiert</translation>
        </message>
        <message>
            <source>Canceled; the finished maps are in {}. The same scenes and folder go on there.</source>
            <translation>Abgebrochen; die fertigen Karten liegen in {}. Mit denselben Szenen und demselben Ordner geht es dort weiter.</translation>
        </message>
        <message>
            <source>Other scenes</source>
            <translation>Weitere Szenen</translation>
        </message>
        <message>
            <source>{count} of {all} scenes were mapped into {folder}.</source>
            <translation>{count} von {all} Szenen in {folder} kartiert.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Klassenkarte</translation>
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation>{} kann nicht als Raster geöffnet werden.</translation>
        </message>
    </context>
    <context>
        <name>OtherScenesDialog</name>
        <message>
            <source>Map Other Scenes</source>
            <translation>Weitere Szenen kartieren</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Szene</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Kanäle</translation>
        </message>
        <message>
            <source>Result</source>
            <translation>Ergebnis</translation>
        </message>
        <message>
            <source>Those with as many bands as the scene are ticked; tick or untick others.</source>
            <translation>Angekreuzt sind die mit so vielen Kanälen wie die Szene; ändern Sie das nach Bedarf.</translation>
        </message>
        <message>
            <source>Gets a class map for each scene, of the scene's name</source>
            <translation>Erhält für jede Szene eine Klassenkarte mit dem Namen der Szene</translation>
        </message>
        <message>
            <source>One mosaic of all maps, for scenes on one grid</source>
            <translation>Ein Mosaik aus allen Karten, für Szenen auf einem Gitter</translation>
        </message>
        <message>
            <source>Where maps overlap, their probabilities are blended.</source>
            <translation>Wo Karten sich überlappen, werden ihre Wahrscheinlichkeiten gemischt.</translation>
        </message>
        <message>
            <source>Leave out the clouds and shadows that products mark</source>
            <translation>In Produkten markierte Wolken und Schatten auslassen</translation>
        </message>
        <message>
            <source>Of scenes of EnMAP, EMIT or PRISMA</source>
            <translation>Bei Szenen von EnMAP, EMIT oder PRISMA</translation>
        </message>
        <message>
            <source>Folder of the maps</source>
            <translation>Ordner der Karten</translation>
        </message>
        <message>
            <source>Add Files…</source>
            <translation>Dateien hinzufügen…</translation>
        </message>
        <message>
            <source>Add Folder…</source>
            <translation>Ordner hinzufügen…</translation>
        </message>
        <message>
            <source>Tick All</source>
            <translation>Alle ankreuzen</translation>
        </message>
        <message>
            <source>Untick All</source>
            <translation>Keine ankreuzen</translation>
        </message>
        <message>
            <source>Map Scenes</source>
            <translation>Szenen kartieren</translation>
        </message>
        <message>
            <source>Cancel Job</source>
            <translation>Auftrag abbrechen</translation>
        </message>
        <message>
            <source>Finished maps are kept</source>
            <translation>Fertige Karten bleiben erhalten</translation>
        </message>
        <message>
            <source>Close</source>
            <translation>Schließen</translation>
        </message>
        <message>
            <source>A job goes on without this window</source>
            <translation>Ein Auftrag läuft ohne dieses Fenster weiter</translation>
        </message>
        <message>
            <source>Mapped: {}</source>
            <translation>Kartiert: {}</translation>
        </message>
        <message>
            <source>Add Scenes</source>
            <translation>Szenen hinzufügen</translation>
        </message>
        <message>
            <source>Add the Scenes of a Folder</source>
            <translation>Die Szenen eines Ordners hinzufügen</translation>
        </message>
        <message>
            <source>There is no raster in this folder.</source>
            <translation>In diesem Ordner gibt es kein Raster.</translation>
        </message>
        <message>
            <source>Classifier: {}</source>
            <translation>Klassifikator: {}</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Warten Sie, bis der laufende Auftrag beendet ist.</translation>
        </message>
        <message>
            <source>Choose scenes: tick them in the list, or add files or a folder.</source>
            <translation>Wählen Sie Szenen: kreuzen Sie sie in der Liste an, oder fügen Sie Dateien oder einen Ordner hinzu.</translation>
        </message>
        <message>
            <source>Choose the folder of the maps.</source>
            <translation>Wählen Sie den Ordner der Karten.</translation>
        </message>
        <message>
            <source>Map the ticked scenes with this classifier</source>
            <translation>Die angekreuzten Szenen mit diesem Klassifikator kartieren</translation>
        </message>
    </context>
    <context>
        <name>PlanPage</name>
        <message>
            <source>Learns, trains, maps and assesses, with PyTorch</source>
            <translation>Lernt, trainiert, kartiert und bewertet, mit PyTorch</translation>
        </message>
        <message>
            <source>Classifies and assesses with models that others trained</source>
            <translation>Klassifiziert und bewertet mit Modellen, die andere trainiert haben</translation>
        </message>
        <message>
            <source>For which device the packages are installed</source>
            <translation>Für welches Gerät die Pakete installiert werden</translation>
        </message>
        <message>
            <source>Where the environment will lie; an update of the plugin does not touch it</source>
            <translation>Wo die Umgebung liegen wird; ein Update des Plugins rührt sie nicht an</translation>
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation>Ger&amp;ät</translation>
        </message>
        <message>
            <source>Fol&amp;der</source>
            <translation>Or&amp;dner</translation>
        </message>
        <message>
            <source>An index of packages that replaces the ordinary one, PyTorch's too</source>
            <translation>Ein Paketindex anstelle des üblichen, auch für PyTorch</translation>
        </message>
        <message>
            <source>http://user[:password]@host:port; empty: the one QGIS has</source>
            <translation>http://user[:password]@host:port; leer: wie in QGIS</translation>
        </message>
        <message>
            <source>A folder of wheels, for a machine without network; then none is used</source>
            <translation>Ein Ordner mit Wheels, für einen Rechner ohne Netz; dann wird keines benutzt</translation>
        </message>
        <message>
            <source>The Python to build from, or that of an environment that has everything</source>
            <translation>Das Python, aus dem gebaut wird, oder das einer Umgebung, die alles hat</translation>
        </message>
        <message>
            <source>Advanced</source>
            <translation>Erweitert</translation>
        </message>
        <message>
            <source>&amp;Index URL</source>
            <translation>&amp;Index-URL</translation>
        </message>
        <message>
            <source>Pro&amp;xy</source>
            <translation>Pro&amp;xy</translation>
        </message>
        <message>
            <source>&amp;Wheel folder</source>
            <translation>&amp;Wheel-Ordner</translation>
        </message>
        <message>
            <source>P&amp;ython</source>
            <translation>P&amp;ython</translation>
        </message>
        <message>
            <source>the ordinary one</source>
            <translation>der übliche</translation>
        </message>
        <message>
            <source>none</source>
            <translation>keiner</translation>
        </message>
        <message>
            <source>the best that is there</source>
            <translation>das beste, das da ist</translation>
        </message>
        <message>
            <source>&amp;Everything</source>
            <translation>&amp;Alles</translation>
        </message>
        <message>
            <source>Classify &amp;only</source>
            <translation>&amp;Nur klassifizieren</translation>
        </message>
        <message>
            <source>{} (≈ {})</source>
            <translation>{} (≈ {})</translation>
        </message>
        <message>
            <source>Looking at this machine…</source>
            <translation>Dieser Rechner wird untersucht…</translation>
        </message>
        <message>
            <source>{} (Python {}) has all the engine's libraries already: nothing is installed.</source>
            <translation>{} (Python {}) hat schon alle Bibliotheken der Engine: nichts wird installiert.</translation>
        </message>
    </context>
    <context>
        <name>PolygonsSection</name>
        <message>
            <source>4  Polygons</source>
            <translation>4  Polygone</translation>
        </message>
        <message>
            <source>Draw a polygon; right or double click ends it</source>
            <translation>Ein Polygon zeichnen; Rechts- oder Doppelklick beendet es</translation>
        </message>
        <message>
            <source>Drag a rectangle</source>
            <translation>Ein Rechteck aufziehen</translation>
        </message>
        <message>
            <source>Drag an outline freehand</source>
            <translation>Einen Umriss freihändig ziehen</translation>
        </message>
        <message>
            <source>Click a pixel: similar neighbours join it</source>
            <translation>Ein Pixel anklicken: ähnliche Nachbarn kommen dazu</translation>
        </message>
        <message>
            <source>There is nothing to undo.</source>
            <translation>Es gibt nichts rückgängig zu machen.</translation>
        </message>
        <message>
            <source>There is nothing to redo.</source>
            <translation>Es gibt nichts wiederherzustellen.</translation>
        </message>
        <message>
            <source>Select polygons</source>
            <translation>Polygone wählen</translation>
        </message>
        <message>
            <source>Move vertices of a polygon</source>
            <translation>Stützpunkte eines Polygons verschieben</translation>
        </message>
        <message>
            <source>Move polygons</source>
            <translation>Polygone verschieben</translation>
        </message>
        <message>
            <source>Delete the selected polygons</source>
            <translation>Die gewählten Polygone löschen</translation>
        </message>
        <message>
            <source>Save the polygons to their file</source>
            <translation>Die Polygone in ihrer Datei speichern</translation>
        </message>
        <message>
            <source>How far a pixel's spectrum may be from the clicked one</source>
            <translation>Wie weit das Spektrum eines Pixels vom angeklickten abweichen darf</translation>
        </message>
        <message>
            <source>Add Re&amp;gion</source>
            <translation>Region hinzuf&amp;ügen</translation>
        </message>
        <message>
            <source>Take the shown region as a polygon (right click, Enter)</source>
            <translation>Die gezeigte Region als Polygon übernehmen (Rechtsklick, Eingabetaste)</translation>
        </message>
        <message>
            <source>Tolerance</source>
            <translation>Toleranz</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Wählen Sie zuerst eine Szene.</translation>
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation>Warten Sie, bis der Layer gelesen ist.</translation>
        </message>
        <message>
            <source>Add a class first, and select it.</source>
            <translation>Fügen Sie zuerst eine Klasse hinzu und wählen Sie sie.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Wartet auf die Kanäle des Rasters.</translation>
        </message>
        <message>
            <source>There are no polygons yet.</source>
            <translation>Es gibt noch keine Polygone.</translation>
        </message>
        <message>
            <source>All polygons are saved.</source>
            <translation>Alle Polygone sind gespeichert.</translation>
        </message>
        <message>
            <source>Draw some polygons of {}.</source>
            <translation>Zeichnen Sie Polygone von {}.</translation>
        </message>
        <message>
            <source>{}; drawing {}</source>
            <translation>{}; gezeichnet wird {}</translation>
        </message>
        <message>
            <source>not saved</source>
            <translation>nicht gespeichert</translation>
        </message>
        <message>
            <source>Undo: {}</source>
            <translation>Rückgängig: {}</translation>
        </message>
        <message>
            <source>Redo: {}</source>
            <translation>Wiederherstellen: {}</translation>
        </message>
        <message>
            <source>Click the corners; right or double click ends, Escape drops it.</source>
            <translation>Klicken Sie die Ecken an; Rechts- oder Doppelklick beendet, Esc verwirft.</translation>
        </message>
        <message>
            <source>Drag from corner to corner.</source>
            <translation>Ziehen Sie von Ecke zu Ecke.</translation>
        </message>
        <message>
            <source>Hold the button and go around.</source>
            <translation>Halten Sie die Maustaste gedrückt und umfahren Sie die Fläche.</translation>
        </message>
        <message>
            <source>Click a pixel, then move the slider; right click takes the region.</source>
            <translation>Klicken Sie ein Pixel an und bewegen Sie dann den Regler; Rechtsklick übernimmt die Region.</translation>
        </message>
        <message>
            <source>The polygon cannot be brought into the scene's coordinates.</source>
            <translation>Das Polygon lässt sich nicht in die Koordinaten der Szene umrechnen.</translation>
        </message>
        <message>
            <source>The polygon is outside the scene and was not added.</source>
            <translation>Das Polygon liegt außerhalb der Szene und wurde nicht hinzugefügt.</translation>
        </message>
        <message>
            <source>The polygon crossed itself and was mended into {} parts.</source>
            <translation>Das Polygon kreuzte sich selbst und wurde in {} Teile repariert.</translation>
        </message>
        <message>
            <source>{}; right click or Add Region takes the region.</source>
            <translation>{}; Rechtsklick oder Region hinzufügen übernimmt die Region.</translation>
        </message>
        <message>
            <source>There is no region yet: press the tool that grows, then click a pixel.</source>
            <translation>Es gibt noch keine Region: wählen Sie das Werkzeug, das sie wachsen lässt, und klicken Sie auf ein Pixel.</translation>
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation>Wählen Sie zuerst Polygone.</translation>
        </message>
        <message>
            <source>Delete polygons</source>
            <translation>Polygone löschen</translation>
        </message>
    </context>
    <context>
        <name>PretrainingSection</name>
        <message>
            <source>2  Pretraining</source>
            <translation>2  Vortraining</translation>
        </message>
        <message>
            <source>Pretraining</source>
            <translation>Vortraining</translation>
        </message>
        <message>
            <source>Quick – a first look</source>
            <translation>Schnell – ein erster Blick</translation>
        </message>
        <message>
            <source>Balanced – good maps</source>
            <translation>Ausgewogen – gute Karten</translation>
        </message>
        <message>
            <source>Paper – as published, needs a GPU</source>
            <translation>Paper – wie veröffentlicht, braucht GPU</translation>
        </message>
        <message>
            <source>How long and how large the model learns</source>
            <translation>Wie lange das Modell lernt und wie groß es ist</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>Automatisch</translation>
        </message>
        <message>
            <source>CPU</source>
            <translation>CPU</translation>
        </message>
        <message>
            <source>NVIDIA GPU</source>
            <translation>NVIDIA-GPU</translation>
        </message>
        <message>
            <source>Apple GPU</source>
            <translation>Apple-GPU</translation>
        </message>
        <message>
            <source>Where the engine pretrains, trains and maps; automatic takes a GPU if any</source>
            <translation>Wo die Engine vortrainiert, trainiert und kartiert; Automatisch nimmt eine GPU, falls vorhanden</translation>
        </message>
        <message>
            <source>&amp;Preset</source>
            <translation>Vor&amp;gabe</translation>
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation>Ger&amp;ät</translation>
        </message>
        <message>
            <source>P&amp;retrain</source>
            <translation>V&amp;ortrainieren</translation>
        </message>
        <message>
            <source>Take a model that exists, of this scene or one of the same sensor…</source>
            <translation>Ein vorhandenes Modell nehmen, von dieser Szene oder einer desselben Sensors…</translation>
        </message>
        <message>
            <source>The loss of pretraining: it falls fast, then slowly</source>
            <translation>Der Verlust beim Vortraining: er fällt erst schnell, dann langsam</translation>
        </message>
        <message>
            <source>Found the model {} of this scene.</source>
            <translation>Modell {} dieser Szene gefunden.</translation>
        </message>
        <message>
            <source>Pa&amp;use</source>
            <translation>Paus&amp;e</translation>
        </message>
        <message>
            <source>Stop after the present step; what was learned is kept</source>
            <translation>Nach dem jetzigen Schritt anhalten; Gelerntes bleibt erhalten</translation>
        </message>
        <message>
            <source>&amp;Resume</source>
            <translation>F&amp;ortsetzen</translation>
        </message>
        <message>
            <source>Learn the scene in the background; go on drawing meanwhile</source>
            <translation>Die Szene im Hintergrund lernen; zeichnen Sie inzwischen weiter</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Wählen Sie zuerst eine Szene.</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Warten Sie, bis der laufende Auftrag beendet ist.</translation>
        </message>
        <message>
            <source>Paused; Resume goes on from the last checkpoint.</source>
            <translation>Pausiert; Fortsetzen macht beim letzten Zwischenstand weiter.</translation>
        </message>
        <message>
            <source>Model: {}</source>
            <translation>Modell: {}</translation>
        </message>
        <message>
            <source>No model yet: press Pretrain.</source>
            <translation>Noch kein Modell: klicken Sie auf Vortrainieren.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Wartet auf die Kanäle des Rasters.</translation>
        </message>
        <message>
            <source>Pausing: writing a checkpoint…</source>
            <translation>Pausiert: ein Zwischenstand wird geschrieben…</translation>
        </message>
        <message>
            <source>Taking up the job that went on without QGIS…</source>
            <translation>Der ohne QGIS weitergelaufene Auftrag wird aufgenommen…</translation>
        </message>
        <message>
            <source>Starting the engine…</source>
            <translation>Die Engine wird gestartet…</translation>
        </message>
        <message>
            <source>{} {} of {}</source>
            <translation>{} {} von {}</translation>
        </message>
        <message>
            <source>{} left</source>
            <translation>noch {}</translation>
        </message>
        <message>
            <source>Choose a Diffusion Model</source>
            <translation>Ein Diffusionsmodell wählen</translation>
        </message>
        <message>
            <source>Diffusion models (*.safetensors)</source>
            <translation>Diffusionsmodelle (*.safetensors)</translation>
        </message>
        <message>
            <source>{} is not a diffusion model.</source>
            <translation>{} ist kein Diffusionsmodell.</translation>
        </message>
        <message>
            <source>{} was learned on a raster with other bands.</source>
            <translation>{} wurde auf einem Raster mit anderen Kanälen gelernt.</translation>
        </message>
        <message>
            <source>The model is of another scene of the same sensor.</source>
            <translation>Das Modell ist von einer anderen Szene desselben Sensors.</translation>
        </message>
    </context>
    <context>
        <name>ProgressPage</name>
        <message>
            <source>What the tools said</source>
            <translation>Was die Werkzeuge meldeten</translation>
        </message>
        <message>
            <source>Log</source>
            <translation>Protokoll</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>Die Engine ist bereit.</translation>
        </message>
        <message>
            <source>Canceled; what was fetched is kept for the next time.</source>
            <translation>Abgebrochen; was heruntergeladen wurde, bleibt für das nächste Mal.</translation>
        </message>
        <message>
            <source>It computes on: {}. Open a scene and begin.</source>
            <translation>Sie rechnet auf: {}. Öffnen Sie eine Szene und beginnen Sie.</translation>
        </message>
    </context>
    <context>
        <name>ReferenceClasses</name>
        <message>
            <source>The field of the reference that holds the class</source>
            <translation>Das Feld der Referenz, in dem die Klasse steht</translation>
        </message>
        <message>
            <source>Reference</source>
            <translation>Referenz</translation>
        </message>
        <message>
            <source>Map</source>
            <translation>Karte</translation>
        </message>
        <message>
            <source>Which class of the map each class of the reference is</source>
            <translation>Welcher Klasse der Karte jede Klasse der Referenz entspricht</translation>
        </message>
        <message>
            <source>Class field</source>
            <translation>Klassenfeld</translation>
        </message>
        <message>
            <source>none: counts as wrong</source>
            <translation>keine: zählt als falsch</translation>
        </message>
        <message>
            <source>left out</source>
            <translation>ausgelassen</translation>
        </message>
        <message>
            <source>The map's class for {}</source>
            <translation>Die Klasse der Karte für {}</translation>
        </message>
    </context>
    <context>
        <name>Run</name>
        <message>
            <source>The Processing provider of MTMSD is not loaded.</source>
            <translation>Der Processing-Anbieter von MTMSD ist nicht geladen.</translation>
        </message>
        <message>
            <source>The algorithm cannot be started.</source>
            <translation>Der Algorithmus kann nicht gestartet werden.</translation>
        </message>
        <message>
            <source>The algorithm failed; see its log.</source>
            <translation>Der Algorithmus ist fehlgeschlagen; siehe sein Protokoll.</translation>
        </message>
    </context>
    <context>
        <name>SampleProject</name>
        <message>
            <source>The sample cannot be copied: {}</source>
            <translation>Das Beispiel kann nicht kopiert werden: {}</translation>
        </message>
        <message>
            <source>The sample, as you left it; delete {} to begin anew.</source>
            <translation>Das Beispiel, wie Sie es verlassen haben; löschen Sie {}, um neu zu beginnen.</translation>
        </message>
        <message>
            <source>EnMAP Potsdam</source>
            <translation>EnMAP Potsdam</translation>
        </message>
        <message>
            <source>Validation polygons</source>
            <translation>Validierungspolygone</translation>
        </message>
        <message>
            <source>MTMSD sample: EnMAP Potsdam</source>
            <translation>MTMSD-Beispiel: EnMAP Potsdam</translation>
        </message>
        <message>
            <source>{path} cannot be written: {reason}</source>
            <translation>{path} kann nicht geschrieben werden: {reason}</translation>
        </message>
        <message>
            <source>The sample is in {}, with classes and polygons: press Pretrain.</source>
            <translation>Das Beispiel liegt in {}, mit Klassen und Polygonen: klicken Sie auf Vortrainieren.</translation>
        </message>
    </context>
    <context>
        <name>SceneSection</name>
        <message>
            <source>1  Scene</source>
            <translation>1  Szene</translation>
        </message>
        <message>
            <source>No scene chosen</source>
            <translation>Keine Szene gewählt</translation>
        </message>
        <message>
            <source>The hyperspectral raster to map</source>
            <translation>Das zu kartierende Hyperspektralraster</translation>
        </message>
        <message>
            <source>Follow the layer tree: the active raster becomes the scene</source>
            <translation>Dem Layerbaum folgen: das aktive Raster wird zur Szene</translation>
        </message>
        <message>
            <source>Open a raster, its header, a product's METADATA.XML or zip…</source>
            <translation>Ein Raster, seinen Header, METADATA.XML oder ZIP eines Produkts öffnen…</translation>
        </message>
        <message>
            <source>Open the folder of a satellite product…</source>
            <translation>Den Ordner eines Satellitenprodukts öffnen…</translation>
        </message>
        <message>
            <source>Mask</source>
            <translation>Maske</translation>
        </message>
        <message>
            <source>&amp;True Colour</source>
            <translation>Ech&amp;tfarben</translation>
        </message>
        <message>
            <source>Red 650, green 550, blue 470 nm</source>
            <translation>Rot 650, Grün 550, Blau 470 nm</translation>
        </message>
        <message>
            <source>&amp;Infrared</source>
            <translation>&amp;Infrarot</translation>
        </message>
        <message>
            <source>Near infrared 860, red 650, green 550 nm</source>
            <translation>Nahes Infrarot 860, Rot 650, Grün 550 nm</translation>
        </message>
        <message>
            <source>&amp;SWIR</source>
            <translation>S&amp;WIR</translation>
        </message>
        <message>
            <source>Short-wave 2200, 1650 and near infrared 860 nm</source>
            <translation>Kurzwelle 2200, 1650 und nahes Infrarot 860 nm</translation>
        </message>
        <message>
            <source>Size</source>
            <translation>Größe</translation>
        </message>
        <message>
            <source>Columns × rows, and the size of a pixel</source>
            <translation>Spalten × Zeilen, und die Größe eines Pixels</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Kanäle</translation>
        </message>
        <message>
            <source>Bands used, of all in the file</source>
            <translation>Benutzte Kanäle, von allen in der Datei</translation>
        </message>
        <message>
            <source>Wavelengths</source>
            <translation>Wellenlängen</translation>
        </message>
        <message>
            <source>From the first to the last used band</source>
            <translation>Vom ersten bis zum letzten benutzten Kanal</translation>
        </message>
        <message>
            <source>Left out</source>
            <translation>Ausgelassen</translation>
        </message>
        <message>
            <source>Bands that are not used, and why</source>
            <translation>Kanäle, die nicht benutzt werden, und warum</translation>
        </message>
        <message>
            <source>No data</source>
            <translation>Keine Daten</translation>
        </message>
        <message>
            <source>Share of pixels without data or masked</source>
            <translation>Anteil der Pixel, die keine Daten haben oder maskiert sind</translation>
        </message>
        <message>
            <source>CRS</source>
            <translation>KBS</translation>
        </message>
        <message>
            <source>Coordinate reference system</source>
            <translation>Koordinatenbezugssystem</translation>
        </message>
        <message>
            <source>Open a Hyperspectral Raster</source>
            <translation>Ein Hyperspektralraster öffnen</translation>
        </message>
        <message>
            <source>Open the Folder of a Product</source>
            <translation>Den Ordner eines Produkts öffnen</translation>
        </message>
        <message>
            <source>Looking for the scene of {}…</source>
            <translation>Die Szene von {} wird gesucht…</translation>
        </message>
        <message>
            <source>{} is not a raster that QGIS can read.</source>
            <translation>{} ist kein Raster, das QGIS lesen kann.</translation>
        </message>
        <message>
            <source>Choose a hyperspectral raster, or open one.</source>
            <translation>Wählen Sie ein Hyperspektralraster oder öffnen Sie eines.</translation>
        </message>
        <message>
            <source>Looking at the raster…</source>
            <translation>Das Raster wird untersucht…</translation>
        </message>
        <message>
            <source>{} px, {} bands used</source>
            <translation>{} px, {} Kanäle benutzt</translation>
        </message>
        <message>
            <source>{:.0f} to {:.0f} nm</source>
            <translation>{:.0f} bis {:.0f} nm</translation>
        </message>
        <message>
            <source>not in the file</source>
            <translation>nicht in der Datei</translation>
        </message>
        <message>
            <source>{} of {}</source>
            <translation>{} von {}</translation>
        </message>
        <message>
            <source>none</source>
            <translation>keine</translation>
        </message>
        <message>
            <source>{} px masked</source>
            <translation>{} px maskiert</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Wählen Sie zuerst eine Szene.</translation>
        </message>
        <message>
            <source>The bands are not known yet.</source>
            <translation>Die Kanäle sind noch nicht bekannt.</translation>
        </message>
        <message>
            <source>The raster has no wavelengths.</source>
            <translation>Das Raster hat keine Wellenlängen.</translation>
        </message>
        <message>
            <source>The raster has no bands near {} nm.</source>
            <translation>Das Raster hat keine Kanäle bei {} nm.</translation>
        </message>
    </context>
    <context>
        <name>SectionJob</name>
        <message>
            <source>{}…</source>
            <translation>{}…</translation>
        </message>
    </context>
    <context>
        <name>SetUpDialog</name>
        <message>
            <source>Set Up the MTMSD Engine</source>
            <translation>Die MTMSD-Engine einrichten</translation>
        </message>
        <message>
            <source>&amp;Back</source>
            <translation>&amp;Zurück</translation>
        </message>
        <message>
            <source>Choose otherwise: folder, device, source</source>
            <translation>Anders wählen: Ordner, Gerät, Quelle</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>Abbre&amp;chen</translation>
        </message>
        <message>
            <source>Stop; what was fetched is kept for the next time</source>
            <translation>Anhalten; was heruntergeladen wurde, bleibt für das nächste Mal</translation>
        </message>
        <message>
            <source>Begin: now something is fetched and written</source>
            <translation>Beginnen: jetzt wird heruntergeladen und geschrieben</translation>
        </message>
        <message>
            <source>C&amp;lose</source>
            <translation>Sch&amp;ließen</translation>
        </message>
        <message>
            <source>Close this window; the set-up goes on and the dock shows it</source>
            <translation>Dieses Fenster schließen; die Einrichtung geht weiter, das Bedienfeld zeigt sie</translation>
        </message>
        <message>
            <source>Close this window</source>
            <translation>Dieses Fenster schließen</translation>
        </message>
        <message>
            <source>&amp;Try Again</source>
            <translation>Erneu&amp;t versuchen</translation>
        </message>
        <message>
            <source>&amp;Use This Python</source>
            <translation>Dieses Python ben&amp;utzen</translation>
        </message>
        <message>
            <source>&amp;Set Up</source>
            <translation>&amp;Einrichten</translation>
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation>Warten Sie, bis die Engine eingerichtet ist.</translation>
        </message>
        <message>
            <source>Wait: this machine is being looked at.</source>
            <translation>Warten Sie: dieser Rechner wird untersucht.</translation>
        </message>
        <message>
            <source>This cannot be set up; the text above says why.</source>
            <translation>Das kann nicht eingerichtet werden; der Text oben sagt, warum.</translation>
        </message>
    </context>
    <context>
        <name>SpectraImport</name>
        <message>
            <source>Import Spectra…</source>
            <translation>Spektren importieren…</translation>
        </message>
        <message>
            <source>Spectra of a library, at the scene's bands and in its units: ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD</source>
            <translation>Spektren einer Bibliothek, auf den Kanälen der Szene und in ihren Einheiten: ENVI (.sli), CSV, Text des USGS oder von ECOSTRESS, ASD</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Wählen Sie zuerst eine Szene.</translation>
        </message>
        <message>
            <source>Imported ({}, {} of them train)</source>
            <translation>Importiert ({}, {} im Training)</translation>
        </message>
        <message>
            <source>Imported ({})</source>
            <translation>Importiert ({})</translation>
        </message>
        <message>
            <source>The imported spectra, dashed in the plot; train with them or remove them here</source>
            <translation>Die importierten Spektren, im Diagramm gestrichelt; hier lassen sie sich zum Training benutzen oder entfernen</translation>
        </message>
        <message>
            <source>Remove</source>
            <translation>Entfernen</translation>
        </message>
        <message>
            <source>Use None for Training</source>
            <translation>Keines zum Training benutzen</translation>
        </message>
        <message>
            <source>Remove All</source>
            <translation>Alle entfernen</translation>
        </message>
        <message>
            <source>Not Used for Training</source>
            <translation>Nicht zum Training benutzt</translation>
        </message>
        <message>
            <source>Train {}</source>
            <translation>{} trainieren</translation>
        </message>
        <message>
            <source>Train a New Class</source>
            <translation>Neue Klasse trainieren</translation>
        </message>
        <message>
            <source>{} has no values at {} of the scene's bands, so it cannot train; leave these bands out, then import it again.</source>
            <translation>{} hat an {} der Kanäle der Szene keine Werte und kann darum nicht trainieren; lassen Sie diese Kanäle aus und importieren Sie es neu.</translation>
        </message>
        <message>
            <source>The class is gone that these spectra trained: {}.</source>
            <translation>Die Klasse, die diese Spektren trainierten, gibt es nicht mehr: {}.</translation>
        </message>
        <message>
            <source>Import Spectra</source>
            <translation>Spektren importieren</translation>
        </message>
        <message>
            <source>Spectral libraries</source>
            <translation>Spektralbibliotheken</translation>
        </message>
        <message>
            <source>All files</source>
            <translation>Alle Dateien</translation>
        </message>
        <message>
            <source>The engine sees other bands of the scene now; open it again.</source>
            <translation>Die Engine sieht jetzt andere Kanäle der Szene; öffnen Sie sie neu.</translation>
        </message>
        <message>
            <source>{} spectra were imported.</source>
            <translation>{} Spektren wurden importiert.</translation>
        </message>
    </context>
    <context>
        <name>SpectraPins</name>
        <message>
            <source>Pin</source>
            <translation>Anpinnen</translation>
        </message>
        <message>
            <source>Remove Pins</source>
            <translation>Pins entfernen</translation>
        </message>
        <message>
            <source>Export Spectra…</source>
            <translation>Spektren exportieren…</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Wählen Sie zuerst eine Szene.</translation>
        </message>
        <message>
            <source>Click pixels in the map: their spectra stay in the plot</source>
            <translation>Pixel in der Karte anklicken: ihre Spektren bleiben im Diagramm</translation>
        </message>
        <message>
            <source>There are no pinned spectra.</source>
            <translation>Es gibt keine angepinnten Spektren.</translation>
        </message>
        <message>
            <source>Take the pinned spectra out of the plot</source>
            <translation>Die angepinnten Spektren aus dem Diagramm nehmen</translation>
        </message>
        <message>
            <source>Classes (mean, standard deviation) and pins as CSV, .sli or GeoPackage</source>
            <translation>Klassen (Mittelwert, Standardabweichung) und Pins als CSV, .sli oder GeoPackage</translation>
        </message>
        <message>
            <source>There are no spectra yet: draw polygons, or pin pixels.</source>
            <translation>Noch keine Spektren: zeichnen Sie Polygone oder pinnen Sie Pixel an.</translation>
        </message>
        <message>
            <source>There is no data at that place.</source>
            <translation>An dieser Stelle gibt es keine Daten.</translation>
        </message>
        <message>
            <source>pin {}</source>
            <translation>Pin {}</translation>
        </message>
        <message>
            <source>Export Spectra</source>
            <translation>Spektren exportieren</translation>
        </message>
        <message>
            <source>{} spectra were written to {}.</source>
            <translation>{} Spektren in {} geschrieben.</translation>
        </message>
    </context>
    <context>
        <name>SpectraPlot</name>
        <message>
            <source>cursor</source>
            <translation>Mauszeiger</translation>
        </message>
        <message>
            <source>As read: values up to {} are no reflectance</source>
            <translation>Wie gelesen: Werte bis {} sind kein Reflexionsgrad</translation>
        </message>
        <message>
            <source>Reflectance: values ÷ {}</source>
            <translation>Reflexionsgrad: Werte ÷ {}</translation>
        </message>
        <message>
            <source>Each from its least to its greatest value</source>
            <translation>Jedes von seinem kleinsten bis zu seinem größten Wert</translation>
        </message>
        <message>
            <source>Continuum removed, none over gaps</source>
            <translation>Kontinuum entfernt, keines über Lücken</translation>
        </message>
        <message>
            <source>band {}</source>
            <translation>Kanal {}</translation>
        </message>
        <message>
            <source>Point at the scene on the map</source>
            <translation>Zeigen Sie in der Karte auf die Szene</translation>
        </message>
    </context>
    <context>
        <name>SpectraSection</name>
        <message>
            <source>5  Spectra</source>
            <translation>5  Spektren</translation>
        </message>
        <message>
            <source>Mean and standard deviation of each class; dashed: the pixel at the cursor. The wheel or a drag zooms, a double click goes back</source>
            <translation>Mittelwert und Standardabweichung jeder Klasse; gestrichelt: das Pixel unter dem Mauszeiger. Mausrad oder Ziehen zoomt, Doppelklick führt zurück</translation>
        </message>
        <message>
            <source>Jeffries–Matusita distance of two classes: 0 alike, 2 well apart</source>
            <translation>Jeffries-Matusita-Abstand zweier Klassen: 0 gleich, 2 gut getrennt</translation>
        </message>
        <message>
            <source>nm</source>
            <translation>nm</translation>
        </message>
        <message>
            <source>band</source>
            <translation>Kanal</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Wählen Sie zuerst eine Szene.</translation>
        </message>
        <message>
            <source>Point at the map; classes appear with their polygons.</source>
            <translation>Zeigen Sie auf die Karte; Klassen erscheinen mit ihren Polygonen.</translation>
        </message>
        <message>
            <source>Two classes of 5 pixels or more can be compared.</source>
            <translation>Zwei Klassen mit mindestens 5 Pixeln können verglichen werden.</translation>
        </message>
        <message>
            <source>Most alike: {} and {} ({} of 2)</source>
            <translation>Am ähnlichsten: {} und {} ({} von 2)</translation>
        </message>
    </context>
    <context>
        <name>SpectraView</name>
        <message>
            <source>Scale of the plot alone; what is exported stays as read</source>
            <translation>Skala nur des Diagramms; exportiert wird wie gelesen</translation>
        </message>
        <message>
            <source>As read</source>
            <translation>Wie gelesen</translation>
        </message>
        <message>
            <source>Reflectance, 0 to 1</source>
            <translation>Reflexionsgrad, 0 bis 1</translation>
        </message>
        <message>
            <source>Min–max of each</source>
            <translation>Min–Max je Spektrum</translation>
        </message>
        <message>
            <source>Continuum removed</source>
            <translation>Kontinuum entfernt</translation>
        </message>
        <message>
            <source>Scale</source>
            <translation>Skala</translation>
        </message>
    </context>
    <context>
        <name>SpectralAngle</name>
        <message>
            <source>Spectral Angle…</source>
            <translation>Spektralwinkel…</translation>
        </message>
        <message>
            <source>How far each pixel is from the pinned and imported spectra, as a layer</source>
            <translation>Wie weit jedes Pixel von den angepinnten und importierten Spektren entfernt ist, als Layer</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Wählen Sie zuerst eine Szene.</translation>
        </message>
        <message>
            <source>There are no spectra to measure by: pin pixels, or import spectra.</source>
            <translation>Es gibt keine Spektren zum Vergleichen: Pixel anpinnen oder Spektren importieren.</translation>
        </message>
        <message>
            <source>The scene has no wavelengths, by which spectra are compared.</source>
            <translation>Die Szene hat keine Wellenlängen, nach denen Spektren verglichen werden.</translation>
        </message>
    </context>
    <context>
        <name>SpeedEstimate</name>
        <message>
            <source>Meas&amp;ure</source>
            <translation>M&amp;essen</translation>
        </message>
        <message>
            <source>Run a few steps on this machine to learn how long this preset takes</source>
            <translation>Einige Schritte auf diesem Rechner laufen lassen, um die Dauer dieser Voreinstellung zu erfahren</translation>
        </message>
        <message>
            <source>Measuring on this machine…</source>
            <translation>Auf diesem Rechner wird gemessen…</translation>
        </message>
        <message>
            <source>Takes about {} here</source>
            <translation>Dauert hier etwa {}</translation>
        </message>
        <message>
            <source>Time on this machine not measured yet</source>
            <translation>Dauer auf diesem Rechner noch nicht gemessen</translation>
        </message>
        <message>
            <source>Measuring the speed</source>
            <translation>Geschwindigkeit wird gemessen</translation>
        </message>
    </context>
    <context>
        <name>TrainingLayer</name>
        <message>
            <source>Add class</source>
            <translation>Klasse hinzufügen</translation>
        </message>
        <message>
            <source>Rename class</source>
            <translation>Klasse umbenennen</translation>
        </message>
        <message>
            <source>Recolour class</source>
            <translation>Klasse umfärben</translation>
        </message>
        <message>
            <source>Load classes</source>
            <translation>Klassen laden</translation>
        </message>
        <message>
            <source>Merge classes</source>
            <translation>Klassen zusammenführen</translation>
        </message>
        <message>
            <source>Delete classes</source>
            <translation>Klassen löschen</translation>
        </message>
        <message>
            <source>Add polygon</source>
            <translation>Polygon hinzufügen</translation>
        </message>
        <message>
            <source>Change class</source>
            <translation>Klasse ändern</translation>
        </message>
        <message>
            <source>Import polygons</source>
            <translation>Polygone importieren</translation>
        </message>
    </context>
    <context>
        <name>TrainingSamples</name>
        <message>
            <source>The pixels cannot be read: {}</source>
            <translation>Die Pixel können nicht gelesen werden: {}</translation>
        </message>
    </context>
    <context>
        <name>Workspace</name>
        <message>
            <source>The training polygons {} are gone; the next class begins a new file.</source>
            <translation>Die Trainingspolygone {} gibt es nicht mehr; mit der nächsten Klasse beginnt eine neue Datei.</translation>
        </message>
        <message>
            <source>1 training polygon was recovered: it had not been saved.</source>
            <translation>1 Trainingspolygon wurde gerettet: es war nicht gespeichert.</translation>
        </message>
        <message>
            <source>{} training polygons were recovered: not all had been saved.</source>
            <translation>{} Trainingspolygone wurden gerettet: nicht alle waren gespeichert.</translation>
        </message>
        <message>
            <source>Training – {}</source>
            <translation>Training – {}</translation>
        </message>
        <message>
            <source>The training polygons {path} were not saved: {reason}</source>
            <translation>Die Trainingspolygone {path} wurden nicht gespeichert: {reason}</translation>
        </message>
    </context>
    <context>
        <name>_Line</name>
        <message>
            <source>Stop this job; what it learned up to now is kept</source>
            <translation>Diesen Auftrag anhalten; was er bis jetzt gelernt hat, bleibt erhalten</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>Abbre&amp;chen</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>Abbrechen</translation>
        </message>
        <message>
            <source>{} – stopping…</source>
            <translation>{} – wird angehalten…</translation>
        </message>
        <message>
            <source>Drag: the map is on the left, the scene on the right</source>
            <translation>Ziehen: links ist die Karte, rechts die Szene</translation>
        </message>
    </context>
    <context>
        <name>duration</name>
        <message>
            <source>{} s</source>
            <translation>{} s</translation>
        </message>
        <message>
            <source>{} min</source>
            <translation>{} min</translation>
        </message>
        <message>
            <source>{} h {} min</source>
            <translation>{} h {} min</translation>
        </message>
        <message>
            <source>{} days</source>
            <translation>{} Tage</translation>
        </message>
    </context>
</TS>
