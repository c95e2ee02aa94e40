<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="es" sourcelanguage="en">
    <context>
        <name>AccuracySection</name>
        <message>
            <source>7  Accuracy</source>
            <translation>7  Exactitud</translation>
        </message>
        <message>
            <source>Overall: share of the reference pixels that are mapped right; average: mean of the producer's accuracies; κ: Cohen's kappa, 1 at most</source>
            <translation>Global: parte de los píxeles de referencia bien cartografiados; media: promedio de las exactitudes del productor; κ: kappa de Cohen, 1 como máximo</translation>
        </message>
        <message>
            <source>How the pixels that were compared are held apart</source>
            <translation>Cómo se mantienen aparte los píxeles comparados</translation>
        </message>
        <message>
            <source>Producer's accuracy: share of a class's reference pixels that are mapped as it; user's accuracy: share of the pixels mapped as it that are it; F1: their harmonic mean</source>
            <translation>Exactitud del productor: parte de los píxeles de referencia de una clase cartografiados como tal; exactitud del usuario: parte de los píxeles cartografiados como una clase que lo son de verdad; F1: la media armónica de ambas</translation>
        </message>
        <message>
            <source>The same pixels by methods that see spectra only</source>
            <translation>Los mismos píxeles con métodos que solo ven espectros</translation>
        </message>
        <message>
            <source>No reference polygons</source>
            <translation>Sin polígonos de referencia</translation>
        </message>
        <message>
            <source>Polygons of known class that did not train the map; by their class field</source>
            <translation>Polígonos de clase conocida que no entrenaron el mapa; según su campo de clase</translation>
        </message>
        <message>
            <source>R&amp;eference</source>
            <translation>Re&amp;ferencia</translation>
        </message>
        <message>
            <source>&amp;Assess</source>
            <translation>Eval&amp;uar</translation>
        </message>
        <message>
            <source>Ope&amp;n Report</source>
            <translation>A&amp;brir informe</translation>
        </message>
        <message>
            <source>Doubtful Polygons</source>
            <translation>Polígonos dudosos</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Elija primero una escena.</translation>
        </message>
        <message>
            <source>Map the scene first.</source>
            <translation>Cartografíe primero la escena.</translation>
        </message>
        <message>
            <source>Choose reference polygons.</source>
            <translation>Elija polígonos de referencia.</translation>
        </message>
        <message>
            <source>Compare the class map with the reference and write a report</source>
            <translation>Comparar el mapa de clases con la referencia y escribir un informe</translation>
        </message>
        <message>
            <source>Not among the map's classes, so counted as wrong: {}</source>
            <translation>No están entre las clases del mapa, así que cuentan como error: {}</translation>
        </message>
        <message>
            <source>Show the training polygons that the others call another class</source>
            <translation>Mostrar los polígonos de entrenamiento que los demás asignan a otra clase</translation>
        </message>
        <message>
            <source>Choose the stack under More and map: it tells which ones they are.</source>
            <translation>Elija el stacking en Más y cartografíe: así se sabe cuáles son.</translation>
        </message>
        <message>
            <source>Comparing the map with the reference…</source>
            <translation>Comparando el mapa con la referencia…</translation>
        </message>
        <message>
            <source>Overall accuracy {} on {} reference pixels</source>
            <translation>Exactitud global {} en {} píxeles de referencia</translation>
        </message>
        <message>
            <source>No polygons were held out; choose reference polygons.</source>
            <translation>No se reservaron polígonos; elija polígonos de referencia.</translation>
        </message>
        <message>
            <source>Open the full report in the browser</source>
            <translation>Abrir el informe completo en el navegador</translation>
        </message>
        <message>
            <source>Write the report of the held-out polygons and open it</source>
            <translation>Escribir el informe de los polígonos reservados y abrirlo</translation>
        </message>
        <message>
            <source>There is no accuracy yet: map the scene.</source>
            <translation>Aún no hay exactitud: cartografíe la escena.</translation>
        </message>
        <message>
            <source>Overall &lt;b&gt;{}&lt;/b&gt; · average &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{}&lt;/b&gt;</source>
            <translation>Global &lt;b&gt;{}&lt;/b&gt; · media &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{}&lt;/b&gt;</translation>
        </message>
        <message>
            <source>Spectra alone, same pixels:</source>
            <translation>Solo espectros, mismos píxeles:</translation>
        </message>
        <message>
            <source>No spectral baseline was computed.</source>
            <translation>No se calculó ninguna comparación espectral.</translation>
        </message>
        <message>
            <source>Producer's</source>
            <translation>Productor</translation>
        </message>
        <message>
            <source>User's</source>
            <translation>Usuario</translation>
        </message>
        <message>
            <source>F1</source>
            <translation>F1</translation>
        </message>
        <message>
            <source>Assessing the map</source>
            <translation>Evaluando el mapa</translation>
        </message>
        <message>
            <source>The report cannot be opened; it is {}.</source>
            <translation>No se puede abrir el informe; está en {}.</translation>
        </message>
        <message>
            <source>Doubtful polygons</source>
            <translation>Polígonos dudosos</translation>
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation>{} no se puede abrir como capa vectorial.</translation>
        </message>
        <message>
            <source>Polygons that disagree with their class: {}; the layer's table tells which class they fit.</source>
            <translation>Polígonos que no concuerdan con su clase: {}; la tabla de la capa indica a qué clase se ajustan.</translation>
        </message>
        <message>
            <source>No polygon disagrees with its class.</source>
            <translation>Todos los polígonos concuerdan con su clase.</translation>
        </message>
    </context>
    <context>
        <name>AreaFiles</name>
        <message>
            <source>From File…</source>
            <translation>De un archivo…</translation>
        </message>
        <message>
            <source>Polygons, a label raster, SCP's .scpx, or ENVI's ROIs (.xml, .roi as text)</source>
            <translation>Polígonos, un ráster de etiquetas, .scpx de SCP o ROI de ENVI (.xml, .roi como texto)</translation>
        </message>
        <message>
            <source>Export Training Pixels…</source>
            <translation>Exportar píxeles de entrenamiento…</translation>
        </message>
        <message>
            <source>Each pixel with its class and band values: GeoPackage and CSV</source>
            <translation>Cada píxel con su clase y sus valores por banda: GeoPackage y CSV</translation>
        </message>
        <message>
            <source>Take Polygons from a File</source>
            <translation>Tomar polígonos de un archivo</translation>
        </message>
        <message>
            <source>Training areas</source>
            <translation>Áreas de entrenamiento</translation>
        </message>
        <message>
            <source>All files</source>
            <translation>Todos los archivos</translation>
        </message>
        <message>
            <source>{} has several layers; add the one that is meant to the project.</source>
            <translation>{} tiene varias capas; añada al proyecto la que corresponda.</translation>
        </message>
        <message>
            <source>{} holds neither polygons nor a raster of class numbers.</source>
            <translation>{} no contiene polígonos ni un ráster de números de clase.</translation>
        </message>
    </context>
    <context>
        <name>Attached</name>
        <message>
            <source>The job in {} was never begun.</source>
            <translation>El trabajo en {} nunca empezó.</translation>
        </message>
    </context>
    <context>
        <name>BetterBaseline</name>
        <message>
            <source>Map with That One</source>
            <translation>Cartografiar con ese</translation>
        </message>
        <message>
            <source>Choose it in the Map section and map the scene again</source>
            <translation>Elegirlo en la sección Mapa y volver a cartografiar la escena</translation>
        </message>
        <message>
            <source>A simpler classifier did clearly better: {}, overall accuracy {} against {}.</source>
            <translation>Un clasificador más simple fue claramente mejor: {}, exactitud global {} frente a {}.</translation>
        </message>
    </context>
    <context>
        <name>ClassSchemes</name>
        <message>
            <source>Class schemes (*.csv *.qml)</source>
            <translation>Esquemas de clases (*.csv *.qml)</translation>
        </message>
        <message>
            <source>Load a Class Scheme…</source>
            <translation>Cargar esquema de clases…</translation>
        </message>
        <message>
            <source>Classes from a CSV (value, name, colour) or a style (QML)</source>
            <translation>Clases de un CSV (value, name, color) o de un estilo (QML)</translation>
        </message>
        <message>
            <source>Save the Class Scheme…</source>
            <translation>Guardar esquema de clases…</translation>
        </message>
        <message>
            <source>The classes as a CSV (value, name, colour) or a style (QML)</source>
            <translation>Las clases como CSV (value, name, color) o como estilo (QML)</translation>
        </message>
        <message>
            <source>Load a Class Scheme</source>
            <translation>Cargar un esquema de clases</translation>
        </message>
        <message>
            <source>{} classes were loaded from {}.</source>
            <translation>Se cargaron {} clases de {}.</translation>
        </message>
        <message>
            <source>Of another number than in the file: {}.</source>
            <translation>Con un número distinto al del archivo: {}.</translation>
        </message>
        <message>
            <source>Save the Class Scheme</source>
            <translation>Guardar el esquema de clases</translation>
        </message>
        <message>
            <source>The classes were saved to {}.</source>
            <translation>Las clases se guardaron en {}.</translation>
        </message>
    </context>
    <context>
        <name>ClassesSection</name>
        <message>
            <source>3  Classes</source>
            <translation>3  Clases</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Nombre</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polígonos</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Píxeles</translation>
        </message>
        <message>
            <source>Double-click a name or a colour to change it; the selected class is drawn</source>
            <translation>Doble clic en un nombre o un color para cambiarlo; se dibuja la clase elegida</translation>
        </message>
        <message>
            <source>From &amp;Layer</source>
            <translation>&amp;De una capa</translation>
        </message>
        <message>
            <source>Give the selected polygons this class</source>
            <translation>Dar esta clase a los polígonos seleccionados</translation>
        </message>
        <message>
            <source>Class {}; double-click to recolour</source>
            <translation>Clase {}; doble clic para cambiar el color</translation>
        </message>
        <message>
            <source>{} (key {})</source>
            <translation>{} (tecla {})</translation>
        </message>
        <message>
            <source>Spectra of a library: {}</source>
            <translation>Espectros de una biblioteca: {}</translation>
        </message>
        <message>
            <source>Too few: at least {} pixels are needed</source>
            <translation>Muy pocos: se necesitan al menos {} píxeles</translation>
        </message>
        <message>
            <source>Few: draw some more, {} pixels or so</source>
            <translation>Pocos: dibuje más, unos {} píxeles</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Elija primero una escena.</translation>
        </message>
        <message>
            <source>Reading the layer…</source>
            <translation>Leyendo la capa…</translation>
        </message>
        <message>
            <source>Add a class, or take classes from a layer.</source>
            <translation>Añada una clase o tome clases de una capa.</translation>
        </message>
        <message>
            <source>One class; add a second one.</source>
            <translation>Una clase; añada una segunda.</translation>
        </message>
        <message>
            <source>Too few pixels: {}</source>
            <translation>Muy pocos píxeles: {}</translation>
        </message>
        <message>
            <source>{} classes, {} pixels</source>
            <translation>{} clases, {} píxeles</translation>
        </message>
        <message>
            <source>from a library alone: {}</source>
            <translation>solo de una biblioteca: {}</translation>
        </message>
        <message>
            <source>{} are in two classes: the later polygon counts</source>
            <translation>{} en dos clases: cuenta el último polígono</translation>
        </message>
        <message>
            <source>{} outside the scene or without data</source>
            <translation>{} fuera de la escena o sin datos</translation>
        </message>
        <message>
            <source>{} without a class</source>
            <translation>{} sin clase</translation>
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation>Espere hasta que se haya leído la capa.</translation>
        </message>
        <message>
            <source>Select two or more classes (Ctrl and click).</source>
            <translation>Seleccione al menos dos clases (Ctrl y clic).</translation>
        </message>
        <message>
            <source>Select a class.</source>
            <translation>Seleccione una clase.</translation>
        </message>
        <message>
            <source>Add a class</source>
            <translation>Añadir una clase</translation>
        </message>
        <message>
            <source>Merge the selected classes into the first</source>
            <translation>Fusionar las clases seleccionadas en la primera</translation>
        </message>
        <message>
            <source>Delete the selected classes and their polygons</source>
            <translation>Borrar las clases seleccionadas y sus polígonos</translation>
        </message>
        <message>
            <source>Take classes and polygons from a polygon layer or a label raster</source>
            <translation>Tomar clases y polígonos de una capa de polígonos o de un ráster de etiquetas</translation>
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation>Seleccione primero polígonos.</translation>
        </message>
        <message>
            <source>Deleted {} with all polygons; Undo brings them back.</source>
            <translation>Se borró {} con todos los polígonos; Deshacer los recupera.</translation>
        </message>
        <message>
            <source>There is a class '{}' already; merge the two instead.</source>
            <translation>Ya hay una clase '{}'; fusione las dos.</translation>
        </message>
        <message>
            <source>Colour of {}</source>
            <translation>Color de {}</translation>
        </message>
        <message>
            <source>No polygon layer or label raster in the project</source>
            <translation>No hay capa de polígonos ni ráster de etiquetas en el proyecto</translation>
        </message>
        <message>
            <source>{} taken from {}.</source>
            <translation>{} tomados de {}.</translation>
        </message>
    </context>
    <context>
        <name>Comparison</name>
        <message>
            <source>Flic&amp;ker</source>
            <translation>Al&amp;ternar</translation>
        </message>
        <message>
            <source>Swipe</source>
            <translation>Cortina</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Primero va Cartografiar.</translation>
        </message>
        <message>
            <source>Show the map and the scene in turn</source>
            <translation>Mostrar por turnos el mapa y la escena</translation>
        </message>
        <message>
            <source>A line in the map window parts the map from the scene</source>
            <translation>Una línea en la ventana del mapa separa el mapa de la escena</translation>
        </message>
    </context>
    <context>
        <name>Engine</name>
        <message>
            <source>MTMSD Engine</source>
            <translation>Motor MTMSD</translation>
        </message>
    </context>
    <context>
        <name>EngineFacts</name>
        <message>
            <source>State</source>
            <translation>Estado</translation>
        </message>
        <message>
            <source>Ready, outdated, broken or being checked</source>
            <translation>Listo, anticuado, defectuoso o en comprobación</translation>
        </message>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>The version of plugin and engine</source>
            <translation>La versión del complemento y del motor</translation>
        </message>
        <message>
            <source>Python</source>
            <translation>Python</translation>
        </message>
        <message>
            <source>The engine's interpreter</source>
            <translation>El intérprete del motor</translation>
        </message>
        <message>
            <source>PyTorch</source>
            <translation>PyTorch</translation>
        </message>
        <message>
            <source>The library that learns</source>
            <translation>La biblioteca que aprende</translation>
        </message>
        <message>
            <source>Devices</source>
            <translation>Dispositivos</translation>
        </message>
        <message>
            <source>What computes, and its free memory</source>
            <translation>Lo que calcula, y su memoria libre</translation>
        </message>
        <message>
            <source>not looked at yet: Verify tells</source>
            <translation>aún no examinado: pulse Comprobar</translation>
        </message>
        <message>
            <source>none; ONNX Runtime {}, which classifies only</source>
            <translation>ninguno; ONNX Runtime {}, que solo clasifica</translation>
        </message>
        <message>
            <source>{} does not compute: {}</source>
            <translation>{} no calcula: {}</translation>
        </message>
        <message>
            <source>{}: {} free</source>
            <translation>{}: {} libres</translation>
        </message>
    </context>
    <context>
        <name>EnginePanel</name>
        <message>
            <source>Set Up Engine…</source>
            <translation>Instalar el motor…</translation>
        </message>
        <message>
            <source>Says what is installed, from where and how large, before anything is done</source>
            <translation>Dice qué se instala, de dónde y cuánto ocupa, antes de hacer nada</translation>
        </message>
        <message>
            <source>Choose Interpreter…</source>
            <translation>Elegir intérprete…</translation>
        </message>
        <message>
            <source>The python program of an environment that has the engine's libraries already</source>
            <translation>El programa python de un entorno que ya tiene las bibliotecas del motor</translation>
        </message>
        <message>
            <source>&amp;Verify</source>
            <translation>&amp;Comprobar</translation>
        </message>
        <message>
            <source>Start the engine: imports, a computation on each device, a raster</source>
            <translation>Iniciar el motor: importaciones, un cálculo en cada dispositivo, un ráster</translation>
        </message>
        <message>
            <source>&amp;Update…</source>
            <translation>Act&amp;ualizar…</translation>
        </message>
        <message>
            <source>Set the engine up anew; the old one stays until the new one works</source>
            <translation>Instalar el motor de nuevo; el antiguo queda hasta que el nuevo funcione</translation>
        </message>
        <message>
            <source>&amp;Remove…</source>
            <translation>Quita&amp;r…</translation>
        </message>
        <message>
            <source>Delete the engine's environment; models and maps stay</source>
            <translation>Borrar el entorno del motor; modelos y mapas quedan</translation>
        </message>
        <message>
            <source>Copy &amp;Diagnostics</source>
            <translation>Copiar &amp;diagnóstico</translation>
        </message>
        <message>
            <source>Put one text on the clipboard that tells a helper all; without names</source>
            <translation>Poner en el portapapeles un texto que lo dice todo a quien le ayude; sin nombres</translation>
        </message>
        <message>
            <source>More</source>
            <translation>Más</translation>
        </message>
        <message>
            <source>Verify, update or remove the engine; copy diagnostics</source>
            <translation>Comprobar, actualizar o quitar el motor; copiar el diagnóstico</translation>
        </message>
        <message>
            <source>The engine is being set up; QGIS can be used meanwhile.</source>
            <translation>El motor se está instalando; QGIS se puede usar mientras tanto.</translation>
        </message>
        <message>
            <source>Show Set-Up…</source>
            <translation>Mostrar instalación…</translation>
        </message>
        <message>
            <source>The engine is started: this takes up to a minute…</source>
            <translation>Se inicia el motor: tarda hasta un minuto…</translation>
        </message>
        <message>
            <source>Verified: the engine computes, and reads and writes rasters.</source>
            <translation>Comprobado: el motor calcula, y lee y escribe rásteres.</translation>
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation>Espere hasta que el motor esté instalado.</translation>
        </message>
        <message>
            <source>Wait until the engine is removed.</source>
            <translation>Espere hasta que el motor esté quitado.</translation>
        </message>
        <message>
            <source>Wait for the check.</source>
            <translation>Espere a la comprobación.</translation>
        </message>
        <message>
            <source>There is no engine yet.</source>
            <translation>Aún no hay motor.</translation>
        </message>
        <message>
            <source>There is no engine that was set up here.</source>
            <translation>No hay ningún motor instalado aquí.</translation>
        </message>
        <message>
            <source>Choose the Engine's Python</source>
            <translation>Elegir el Python del motor</translation>
        </message>
        <message>
            <source>Remove the Engine</source>
            <translation>Quitar el motor</translation>
        </message>
        <message>
            <source>Delete the engine's environment in {}?</source>
            <translation>¿Borrar el entorno del motor en {}?</translation>
        </message>
        <message>
            <source>Models, maps and jobs stay.</source>
            <translation>Modelos, mapas y trabajos quedan.</translation>
        </message>
        <message>
            <source>&amp;Remove</source>
            <translation>Quita&amp;r</translation>
        </message>
        <message>
            <source>&amp;Keep</source>
            <translation>Conser&amp;var</translation>
        </message>
        <message>
            <source>Looking at the machine…</source>
            <translation>Examinando el equipo…</translation>
        </message>
        <message>
            <source>Copied: paste it into your report.</source>
            <translation>Copiado: péguelo en su mensaje.</translation>
        </message>
    </context>
    <context>
        <name>EngineSection</name>
        <message>
            <source>Engine</source>
            <translation>Motor</translation>
        </message>
        <message>
            <source>Being set up</source>
            <translation>Instalándose</translation>
        </message>
    </context>
    <context>
        <name>Facts</name>
        <message>
            <source>The engine cannot be started: {}.</source>
            <translation>No se puede iniciar el motor: {}.</translation>
        </message>
        <message>
            <source>The engine said nothing about the raster.</source>
            <translation>El motor no dijo nada del ráster.</translation>
        </message>
    </context>
    <context>
        <name>FirstSteps</name>
        <message>
            <source>First steps</source>
            <translation>Primeros pasos</translation>
        </message>
        <message>
            <source>Close this card for good</source>
            <translation>Cerrar esta tarjeta para siempre</translation>
        </message>
        <message>
            <source>Try the Sample Scene</source>
            <translation>Probar la escena de ejemplo</translation>
        </message>
        <message>
            <source>Open the scene that comes along, with classes and polygons, as a project</source>
            <translation>Abrir como proyecto la escena incluida, con clases y polígonos</translation>
        </message>
        <message>
            <source>Tutorial</source>
            <translation>Tutorial</translation>
        </message>
        <message>
            <source>From the sample to a map, step by step, in the browser</source>
            <translation>Del ejemplo a un mapa, paso a paso, en el navegador</translation>
        </message>
        <message>
            <source>Go to this section</source>
            <translation>Ir a esta sección</translation>
        </message>
        <message>
            <source>Nothing waits for you.</source>
            <translation>No queda nada pendiente.</translation>
        </message>
        <message>
            <source>Next, {}: {}</source>
            <translation>A continuación, {}: {}</translation>
        </message>
    </context>
    <context>
        <name>ImportDialog</name>
        <message>
            <source>Take Polygons from {}</source>
            <translation>Tomar polígonos de {}</translation>
        </message>
        <message>
            <source>Numbers or names of the classes</source>
            <translation>Números o nombres de las clases</translation>
        </message>
        <message>
            <source>The field {} was guessed by its name.</source>
            <translation>El campo {} se ha deducido por su nombre.</translation>
        </message>
        <message>
            <source>Class &amp;field</source>
            <translation>&amp;Campo de clase</translation>
        </message>
        <message>
            <source>In the layer</source>
            <translation>En la capa</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polígonos</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Píxeles</translation>
        </message>
        <message>
            <source>Becomes</source>
            <translation>Pasa a ser</translation>
        </message>
        <message>
            <source>&amp;Merge names that differ in capitals or blanks only</source>
            <translation>&amp;Fusionar los nombres que solo difieren en mayúsculas o espacios</translation>
        </message>
        <message>
            <source>&amp;Take Polygons</source>
            <translation>&amp;Tomar polígonos</translation>
        </message>
        <message>
            <source>Choose the field that holds the classes.</source>
            <translation>Elija el campo que contiene las clases.</translation>
        </message>
        <message>
            <source>Reading…</source>
            <translation>Leyendo…</translation>
        </message>
    </context>
    <context>
        <name>JobsSection</name>
        <message>
            <source>8  Jobs</source>
            <translation>8  Trabajos</translation>
        </message>
        <message>
            <source>Job</source>
            <translation>Trabajo</translation>
        </message>
        <message>
            <source>Started</source>
            <translation>Empezado</translation>
        </message>
        <message>
            <source>State</source>
            <translation>Estado</translation>
        </message>
        <message>
            <source>The newest jobs; each has a folder with its log</source>
            <translation>Los trabajos más recientes; cada uno tiene una carpeta con su registro</translation>
        </message>
        <message>
            <source>S&amp;how Log…</source>
            <translation>V&amp;er registro…</translation>
        </message>
        <message>
            <source>&amp;Job Folder</source>
            <translation>Carpeta del trabajo</translation>
        </message>
        <message>
            <source>Cancel Job…</source>
            <translation>Cancelar…</translation>
        </message>
        <message>
            <source>{} running</source>
            <translation>{} en marcha</translation>
        </message>
        <message>
            <source>None running; {ended} ended, the last with {warnings}</source>
            <translation>Ninguno en curso; {ended} terminados, el último con {warnings}</translation>
        </message>
        <message>
            <source>None running; {} ended</source>
            <translation>Ninguno en marcha; {} terminados</translation>
        </message>
        <message>
            <source>No jobs yet.</source>
            <translation>Aún no hay trabajos.</translation>
        </message>
        <message>
            <source>running</source>
            <translation>en marcha</translation>
        </message>
        <message>
            <source>done</source>
            <translation>terminado</translation>
        </message>
        <message>
            <source>canceled</source>
            <translation>cancelado</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>fallido</translation>
        </message>
        <message>
            <source>Select a job.</source>
            <translation>Seleccione un trabajo.</translation>
        </message>
        <message>
            <source>Show what the job said</source>
            <translation>Mostrar lo que dijo el trabajo</translation>
        </message>
        <message>
            <source>Open the job's folder</source>
            <translation>Abrir la carpeta del trabajo</translation>
        </message>
        <message>
            <source>The job does not run any more.</source>
            <translation>El trabajo ya no está en curso.</translation>
        </message>
        <message>
            <source>Stop this job</source>
            <translation>Detener este trabajo</translation>
        </message>
        <message>
            <source>Log of {}</source>
            <translation>Registro de {}</translation>
        </message>
        <message>
            <source>Job of Another QGIS</source>
            <translation>Trabajo de otro QGIS</translation>
        </message>
        <message>
            <source>Whoever started it waits for its result.</source>
            <translation>Quien lo inició espera su resultado.</translation>
        </message>
        <message>
            <source>Cancel Their Job</source>
            <translation>Cancelar de todos modos</translation>
        </message>
        <message>
            <source>Let It Go On</source>
            <translation>Dejarlo continuar</translation>
        </message>
    </context>
    <context>
        <name>LabelPoints</name>
        <message>
            <source>The two classes that are in doubt there</source>
            <translation>Las dos clases que están en duda ahí</translation>
        </message>
        <message>
            <source>Label It</source>
            <translation>Etiquetar</translation>
        </message>
        <message>
            <source>Give this pixel a class, as a training polygon</source>
            <translation>Dar una clase a este píxel, como polígono de entrenamiento</translation>
        </message>
        <message>
            <source>Next Point</source>
            <translation>Punto siguiente</translation>
        </message>
        <message>
            <source>Leave this one and go to the next</source>
            <translation>Dejar este y pasar al siguiente</translation>
        </message>
        <message>
            <source>Zoom to It</source>
            <translation>Acercar</translation>
        </message>
        <message>
            <source>Show the point in the middle of the map window</source>
            <translation>Mostrar el punto en el centro de la ventana del mapa</translation>
        </message>
        <message>
            <source>See-through map</source>
            <translation>Mapa translúcido</translation>
        </message>
        <message>
            <source>The scene shines through the map while the points are visited</source>
            <translation>La escena se ve a través del mapa mientras se recorren los puntos</translation>
        </message>
        <message>
            <source>Point {} of {}: {} or {}?</source>
            <translation>Punto {} de {}: ¿{} o {}?</translation>
        </message>
        <message>
            <source>That was the last point. Map anew to see what it gained.</source>
            <translation>Ese era el último punto. Cartografíe de nuevo para ver lo ganado.</translation>
        </message>
        <message>
            <source>The point cannot be brought into the map window's coordinates.</source>
            <translation>El punto no se puede llevar a las coordenadas de la ventana del mapa.</translation>
        </message>
    </context>
    <context>
        <name>LabellingKeys</name>
        <message>
            <source>MTMSD: take class {} of the table</source>
            <translation>MTMSD: elegir la clase {} de la tabla</translation>
        </message>
        <message>
            <source>MTMSD: {}</source>
            <translation>MTMSD: {}</translation>
        </message>
        <message>
            <source>draw a polygon</source>
            <translation>dibujar un polígono</translation>
        </message>
        <message>
            <source>draw a rectangle</source>
            <translation>dibujar un rectángulo</translation>
        </message>
        <message>
            <source>draw freehand</source>
            <translation>dibujar a mano alzada</translation>
        </message>
        <message>
            <source>grow a region</source>
            <translation>hacer crecer una región</translation>
        </message>
        <message>
            <source>undo a step of the training polygons</source>
            <translation>deshacer un paso de los polígonos de entrenamiento</translation>
        </message>
        <message>
            <source>give the selected polygons the class</source>
            <translation>dar la clase a los polígonos seleccionados</translation>
        </message>
        <message>
            <source>next point to label</source>
            <translation>punto siguiente para etiquetar</translation>
        </message>
        <message>
            <source>MTMSD: end the polygon or take the region</source>
            <translation>MTMSD: terminar el polígono o tomar la región</translation>
        </message>
        <message>
            <source>MTMSD: give the point to label the class</source>
            <translation>MTMSD: dar la clase al punto para etiquetar</translation>
        </message>
    </context>
    <context>
        <name>LayoutButton</name>
        <message>
            <source>Print Layout</source>
            <translation>Composición de impresión</translation>
        </message>
        <message>
            <source>As PDF…</source>
            <translation>Como PDF…</translation>
        </message>
        <message>
            <source>As PNG…</source>
            <translation>Como PNG…</translation>
        </message>
        <message>
            <source>A page with map, legend with areas, scale, north, accuracy and attribution</source>
            <translation>Una página con mapa, leyenda con áreas, escala, norte, exactitud y créditos</translation>
        </message>
        <message>
            <source>Save the Print Layout</source>
            <translation>Guardar la composición de impresión</translation>
        </message>
        <message>
            <source>The page was saved to {}.</source>
            <translation>La página se guardó en {}.</translation>
        </message>
        <message>
            <source>{} cannot be written.</source>
            <translation>{} no se puede escribir.</translation>
        </message>
        <message>
            <source>Class map of {}</source>
            <translation>Mapa de clases de {}</translation>
        </message>
        <message>
            <source>{} px</source>
            <translation>{} px</translation>
        </message>
        <message>
            <source>The accuracy of this map was not assessed.</source>
            <translation>No se ha evaluado la exactitud de este mapa.</translation>
        </message>
        <message>
            <source>Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.</source>
            <translation>Exactitud global {overall}, kappa {kappa}, en {n} píxeles de referencia.</translation>
        </message>
        <message>
            <source>Data: {}</source>
            <translation>Datos: {}</translation>
        </message>
        <message>
            <source>Classified by MTMSD for QGIS, {}</source>
            <translation>Clasificado con MTMSD para QGIS, {}</translation>
        </message>
    </context>
    <context>
        <name>LossCurve</name>
        <message>
            <source>Loss: waiting for the first steps</source>
            <translation>Pérdida: esperando los primeros pasos</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>Pérdida</translation>
        </message>
        <message>
            <source>step {}</source>
            <translation>paso {}</translation>
        </message>
    </context>
    <context>
        <name>MTMSD</name>
        <message>
            <source>1 polygon</source>
            <translation>1 polígono</translation>
        </message>
        <message numerus="yes">
            <source>%Ln polygons</source>
            <translation>
                <numerusform>%Ln polígono</numerusform>
                <numerusform>%Ln polígonos</numerusform>
            </translation>
        </message>
        <message>
            <source>1 pixel</source>
            <translation>1 píxel</translation>
        </message>
        <message numerus="yes">
            <source>%Ln pixels</source>
            <translation>
                <numerusform>%Ln píxel</numerusform>
                <numerusform>%Ln píxeles</numerusform>
            </translation>
        </message>
        <message>
            <source>1 warning</source>
            <translation>1 advertencia</translation>
        </message>
        <message numerus="yes">
            <source>%Ln warnings</source>
            <translation>
                <numerusform>%Ln advertencia</numerusform>
                <numerusform>%Ln advertencias</numerusform>
            </translation>
        </message>
        <message>
            <source>no message</source>
            <translation>ningún mensaje</translation>
        </message>
        <message>
            <source>{} could not be read: {}.</source>
            <translation>No se pudo leer {}: {}.</translation>
        </message>
        <message>
            <source>the plugin's setting {}</source>
            <translation>el ajuste {} del complemento</translation>
        </message>
        <message>
            <source>the environment variable {}</source>
            <translation>la variable de entorno {}</translation>
        </message>
        <message>
            <source>the plugin's own environment folder</source>
            <translation>la carpeta de entorno propia del complemento</translation>
        </message>
        <message>
            <source>Choose another interpreter for the engine (now named by {source}).</source>
            <translation>Elija otro intérprete para el motor (ahora indicado por {source}).</translation>
        </message>
        <message>
            <source>{python} is QGIS itself, not a Python interpreter.</source>
            <translation>{python} es el propio QGIS, no un intérprete de Python.</translation>
        </message>
        <message>
            <source>{python} cannot be started as the engine's Python: {reason}.</source>
            <translation>{python} no se puede iniciar como Python del motor: {reason}.</translation>
        </message>
        <message>
            <source>{python} did not answer within {seconds} s.</source>
            <translation>{python} no respondió en {seconds} s.</translation>
        </message>
        <message>
            <source>{python} {ended} when the engine was looked for ({last}).</source>
            <translation>{python} {ended} cuando se buscaba en él el motor ({last}).</translation>
        </message>
        <message>
            <source>{python} does not answer like a Python interpreter.</source>
            <translation>{python} no responde como un intérprete de Python.</translation>
        </message>
        <message>
            <source>{python} is Python {version}; the engine needs 3.10 or newer.</source>
            <translation>{python} es Python {version}; el motor necesita 3.10 o posterior.</translation>
        </message>
        <message>
            <source>The engine's Python {python} lacks {libraries}.</source>
            <translation>Al Python del motor {python} le falta: {libraries}.</translation>
        </message>
        <message>
            <source>The MTMSD engine is not set up: there is no Python environment for it. Press Set Up Engine… in the dock, or choose an interpreter that has its libraries.</source>
            <translation>El motor MTMSD no está instalado: no hay un entorno de Python para él. Pulse Instalar el motor… en el panel, o elija un intérprete que tenga sus bibliotecas.</translation>
        </message>
        <message>
            <source>The engine's Python {python}, named by {source}, does not exist.</source>
            <translation>El Python del motor {python}, indicado por {source}, no existe.</translation>
        </message>
        <message>
            <source>The job goes on without QGIS.</source>
            <translation>El trabajo continúa sin QGIS.</translation>
        </message>
        <message>
            <source>The engine has been silent for {} s; cancel it if that stays so.</source>
            <translation>El motor lleva {} s sin responder; cancele si sigue así.</translation>
        </message>
        <message>
            <source>Canceled.</source>
            <translation>Cancelado.</translation>
        </message>
        <message>
            <source>The log is {}.</source>
            <translation>El registro es {}.</translation>
        </message>
        <message>
            <source>The engine ended without a result.</source>
            <translation>El motor terminó sin resultado.</translation>
        </message>
        <message>
            <source>The engine {ended} before it had a result (perhaps memory ran out){last}.</source>
            <translation>El motor {ended} antes de tener un resultado (quizá faltó memoria){last}.</translation>
        </message>
        <message>
            <source>The engine {ended} before it had a result{last}.</source>
            <translation>El motor {ended} antes de tener un resultado{last}.</translation>
        </message>
        <message>
            <source>was killed ({})</source>
            <translation>fue terminado ({})</translation>
        </message>
        <message>
            <source>was killed (signal {})</source>
            <translation>fue terminado (señal {})</translation>
        </message>
        <message>
            <source>crashed ({})</source>
            <translation>falló ({})</translation>
        </message>
        <message>
            <source>ended with status {}</source>
            <translation>terminó con el estado {}</translation>
        </message>
        <message>
            <source>The engine was made by a newer plugin ({theirs}; this one is {ours}) and may not fit. Get the newer plugin, or press Update to build the engine for this one.</source>
            <translation>El motor fue instalado por un complemento más reciente ({theirs}; este es {ours}) y puede no encajar. Obtenga el complemento más reciente, o pulse Actualizar para construir el motor para este.</translation>
        </message>
        <message>
            <source>The engine was set up by another version of the plugin ({theirs}; this one is {ours}) and has other packages. Press Update; it works until then.</source>
            <translation>El motor fue instalado por otra versión del complemento ({theirs}; esta es {ours}) y tiene otros paquetes. Pulse Actualizar; funciona hasta entonces.</translation>
        </message>
        <message>
            <source>unknown</source>
            <translation>desconocida</translation>
        </message>
        <message>
            <source>First map, without the diffusion model that is there now: map once more.</source>
            <translation>Primer mapa, sin el modelo de difusión que ya existe: cartografíe otra vez.</translation>
        </message>
        <message>
            <source>First map, without a diffusion model. How much pretraining adds here, the left-out polygons tell after it.</source>
            <translation>Primer mapa, sin modelo de difusión. Tras el preentrenamiento, los polígonos apartados dirán cuánto aporta aquí.</translation>
        </message>
        <message>
            <source>Map with the diffusion model, which has {} of the say.</source>
            <translation>Mapa con el modelo de difusión, con un peso del {}.</translation>
        </message>
        <message>
            <source>Left-out pixels that are right: {}, {} without it.</source>
            <translation>Píxeles apartados bien clasificados: {}; sin él, {}.</translation>
        </message>
        <message>
            <source>Diffusion model</source>
            <translation>Modelo de difusión</translation>
        </message>
        <message>
            <source>Regions with true edges</source>
            <translation>Regiones con bordes reales</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>Método</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Escena</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Bandas</translation>
        </message>
        <message>
            <source>Classes</source>
            <translation>Clases</translation>
        </message>
        <message>
            <source>Training pixels</source>
            <translation>Píxeles de entrenamiento</translation>
        </message>
        <message>
            <source>Accuracy</source>
            <translation>Exactitud</translation>
        </message>
        <message>
            <source>{width} × {height} px</source>
            <translation>{width} × {height} px</translation>
        </message>
        <message>
            <source>{used} of {total}</source>
            <translation>{used} de {total}</translation>
        </message>
        <message>
            <source>Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.</source>
            <translation>Exactitud global {overall}, kappa {kappa}, en {n} píxeles de referencia.</translation>
        </message>
        <message>
            <source>Classes and areas</source>
            <translation>Clases y áreas</translation>
        </message>
        <message>
            <source>None of the {} lies in the scene.</source>
            <translation>Nada está dentro de la escena ({}).</translation>
        </message>
        <message>
            <source>The layer has no polygons with a class.</source>
            <translation>La capa no tiene polígonos con clase.</translation>
        </message>
        <message>
            <source>Inside the scene: {}</source>
            <translation>Dentro de la escena: {}</translation>
        </message>
        <message>
            <source>Outside, not taken: {}</source>
            <translation>Fuera de ella, sin tomar: {}</translation>
        </message>
        <message>
            <source>Without a class or a shape, not taken: {}</source>
            <translation>Sin clase o sin geometría, sin tomar: {}</translation>
        </message>
        <message>
            <source>In two classes: {}; the later polygon counts</source>
            <translation>En dos clases: {}; cuenta el último polígono</translation>
        </message>
        <message>
            <source>{number} is another class here, so {name} becomes {new}.</source>
            <translation>{number} ya es otra clase aquí, así que {name} pasa a ser {new}.</translation>
        </message>
        <message>
            <source>Alike: {}</source>
            <translation>Casi iguales: {}</translation>
        </message>
        <message>
            <source>Choose Spectra</source>
            <translation>Elegir espectros</translation>
        </message>
        <message>
            <source>The engine is being checked…</source>
            <translation>Se comprueba el motor…</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>El motor está listo.</translation>
        </message>
        <message>
            <source>A set-up of the engine was begun and not finished; it can go on.</source>
            <translation>Se empezó a instalar el motor y no se terminó; puede continuar.</translation>
        </message>
        <message>
            <source>The engine does the computing, in a Python environment of its own. One click sets it up; QGIS itself stays as it is.</source>
            <translation>El motor calcula en un entorno de Python propio. Un clic lo instala; QGIS mismo queda como está.</translation>
        </message>
        <message>
            <source>being checked</source>
            <translation>en comprobación</translation>
        </message>
        <message>
            <source>ready</source>
            <translation>listo</translation>
        </message>
        <message>
            <source>not set up</source>
            <translation>sin instalar</translation>
        </message>
        <message>
            <source>broken</source>
            <translation>defectuoso</translation>
        </message>
        <message>
            <source>outdated</source>
            <translation>anticuado</translation>
        </message>
        <message>
            <source>Preparing the folder</source>
            <translation>Preparando la carpeta</translation>
        </message>
        <message>
            <source>Fetching the installer uv</source>
            <translation>Descargando el instalador uv</translation>
        </message>
        <message>
            <source>Making the Python environment</source>
            <translation>Creando el entorno de Python</translation>
        </message>
        <message>
            <source>Fetching and installing the packages</source>
            <translation>Descargando e instalando los paquetes</translation>
        </message>
        <message>
            <source>Fetching and installing PyTorch</source>
            <translation>Descargando e instalando PyTorch</translation>
        </message>
        <message>
            <source>Checking that it computes</source>
            <translation>Comprobando que calcula</translation>
        </message>
        <message>
            <source>Putting it in place</source>
            <translation>Poniéndolo en su sitio</translation>
        </message>
        <message>
            <source>Beginning</source>
            <translation>Comienzo</translation>
        </message>
        <message>
            <source>{}: {} of {}</source>
            <translation>{}: {} de {}</translation>
        </message>
        <message>
            <source>That place is outside the scene.</source>
            <translation>Ese lugar está fuera de la escena.</translation>
        </message>
        <message>
            <source>That pixel has no data.</source>
            <translation>Ese píxel no tiene datos.</translation>
        </message>
        <message>
            <source>Fold or unfold this section</source>
            <translation>Plegar o desplegar esta sección</translation>
        </message>
        <message>
            <source>What the engine warned of</source>
            <translation>Advertencias del motor</translation>
        </message>
        <message>
            <source>Not yet possible</source>
            <translation>Aún no es posible</translation>
        </message>
        <message>
            <source>Ready: this can be done now</source>
            <translation>Listo: esto se puede hacer ahora</translation>
        </message>
        <message>
            <source>Running</source>
            <translation>En marcha</translation>
        </message>
        <message>
            <source>Done</source>
            <translation>Hecho</translation>
        </message>
        <message>
            <source>Needs attention</source>
            <translation>Requiere atención</translation>
        </message>
        <message>
            <source>Done, with warnings</source>
            <translation>Hecho, con advertencias</translation>
        </message>
        <message>
            <source>Jobs Are Running</source>
            <translation>Hay trabajos en marcha</translation>
        </message>
        <message>
            <source>The engine is at work:</source>
            <translation>El motor está trabajando:</translation>
        </message>
        <message>
            <source>A job that goes on is taken up again when QGIS is next opened.</source>
            <translation>Un trabajo que continúa se retoma la próxima vez que se abra QGIS.</translation>
        </message>
        <message>
            <source>&amp;Let It Go On</source>
            <translation>Dejar&amp;lo continuar</translation>
        </message>
        <message>
            <source>&amp;Cancel Job</source>
            <translation>&amp;Cancelar trabajo</translation>
        </message>
        <message>
            <source>&amp;Stay in QGIS</source>
            <translation>&amp;Seguir en QGIS</translation>
        </message>
        <message>
            <source>{} (from the Toolbox)</source>
            <translation>{} (de la caja de herramientas)</translation>
        </message>
        <message>
            <source>{} (of an earlier QGIS)</source>
            <translation>{} (de un QGIS anterior)</translation>
        </message>
        <message>
            <source>{} (of another QGIS)</source>
            <translation>{} (de otro QGIS)</translation>
        </message>
        <message>
            <source>Started by another QGIS: {user} on {host}, process {pid}{since}.</source>
            <translation>Iniciado por otro QGIS: {user} en {host}, proceso {pid}{since}.</translation>
        </message>
        <message>
            <source>&amp;MTMSD</source>
            <translation>&amp;MTMSD</translation>
        </message>
        <message>
            <source>MTMSD Classification</source>
            <translation>Clasificación MTMSD</translation>
        </message>
        <message>
            <source>Show or hide the MTMSD dock</source>
            <translation>Mostrar u ocultar el panel MTMSD</translation>
        </message>
        <message>
            <source>Try the &amp;Sample Scene</source>
            <translation>Probar la &amp;escena de ejemplo</translation>
        </message>
        <message>
            <source>&amp;Tutorial</source>
            <translation>&amp;Tutorial</translation>
        </message>
        <message>
            <source>&amp;Help</source>
            <translation>A&amp;yuda</translation>
        </message>
        <message>
            <source>&amp;Engine…</source>
            <translation>M&amp;otor…</translation>
        </message>
        <message>
            <source>The job's folder {path} cannot be made: {reason}.</source>
            <translation>No se puede crear la carpeta del trabajo {path}: {reason}.</translation>
        </message>
        <message>
            <source>The file is temporary: it goes when QGIS is closed.</source>
            <translation>El archivo es temporal: desaparece al cerrar QGIS.</translation>
        </message>
        <message>
            <source>{lost} of {count} masks cannot be opened: {names}.</source>
            <translation>No se pueden abrir {lost} de {count} máscaras: {names}.</translation>
        </message>
        <message>
            <source>The layer for '{parameter}' cannot be opened: {value}.</source>
            <translation>No se puede abrir la capa para '{parameter}': {value}.</translation>
        </message>
        <message>
            <source>'{layer}' is the scene itself; choose the layer with the polygons.</source>
            <translation>'{layer}' es la propia escena; elija la capa con los polígonos.</translation>
        </message>
        <message>
            <source>The layer '{layer}' has no field '{field}'; it has {fields}.</source>
            <translation>La capa '{layer}' no tiene el campo '{field}'; tiene {fields}.</translation>
        </message>
        <message>
            <source>Parameters and outputs</source>
            <translation>Parámetros y salidas</translation>
        </message>
        <message>
            <source>Spectral angle</source>
            <translation>Ángulo espectral</translation>
        </message>
        <message>
            <source>How far each pixel is from spectra of a library, whatever its brightness.</source>
            <translation>Distancia de cada píxel a los espectros de una biblioteca, sea cual sea su brillo.</translation>
        </message>
        <message>
            <source>Spectral library</source>
            <translation>Biblioteca espectral</translation>
        </message>
        <message>
            <source>Spectra</source>
            <translation>Espectros</translation>
        </message>
        <message>
            <source>ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd).</source>
            <translation>ENVI (.sli), CSV, texto del USGS o de ECOSTRESS, ASD (.asd).</translation>
        </message>
        <message>
            <source>Names of its spectra, separated by semicolons. Default: all of them.</source>
            <translation>Nombres de sus espectros, separados por punto y coma. Por defecto: todos.</translation>
        </message>
        <message>
            <source>GeoTIFF with a band a spectrum: the angle in radians, 0 where they are alike.</source>
            <translation>GeoTIFF con una banda por espectro: el ángulo en radianes, 0 si tienen la misma forma.</translation>
        </message>
        <message>
            <source>'{part}' in Classes to match is not of the form THEIRS=OURS.</source>
            <translation>'{part}' en Correspondencia de clases no tiene la forma REFERENCIA=MAPA.</translation>
        </message>
        <message>
            <source>Assess a class map</source>
            <translation>Evaluar un mapa de clases</translation>
        </message>
        <message>
            <source>Compares a class map with reference polygons and writes an accuracy report.</source>
            <translation>Compara un mapa de clases con polígonos de referencia y escribe un informe de exactitud.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Mapa de clases</translation>
        </message>
        <message>
            <source>Reference that was not used for training. Default: none; the report is then that of the polygons held out while the map's classifier was trained.</source>
            <translation>Referencia que no se usó para entrenar. Predeterminado: ninguna; el informe es entonces el de los polígonos reservados al entrenar el clasificador del mapa.</translation>
        </message>
        <message>
            <source>Classes to match</source>
            <translation>Correspondencia de clases</translation>
        </message>
        <message>
            <source>The polygons that trained the map; the baselines learn from them. Default: none.</source>
            <translation>Los polígonos que entrenaron el mapa; los métodos de comparación aprenden de ellos. Predeterminado: ninguno.</translation>
        </message>
        <message>
            <source>Figures</source>
            <translation>Cifras</translation>
        </message>
        <message>
            <source>The raster that 'Classify a scene' has written.</source>
            <translation>El ráster que ha escrito 'Clasificar una escena'.</translation>
        </message>
        <message>
            <source>Reference polygons</source>
            <translation>Polígonos de referencia</translation>
        </message>
        <message>
            <source>The map's class for classes of the reference that are called otherwise, by name or number, with semicolons between: 'Wald=forest; 7=water'. 'Weg=' leaves one out, 'Weg=-' counts it as wrong. Default: names and numbers are the map's.</source>
            <translation>La clase del mapa para las clases de la referencia que se llaman de otro modo, por nombre o número, separadas por punto y coma: 'Wald=bosque; 7=agua'. 'Weg=' excluye una, 'Weg=-' la cuenta como error. Predeterminado: los nombres y números son los del mapa.</translation>
        </message>
        <message>
            <source>The scene of the map. With it and the training polygons, a support vector machine and a random forest on the plain spectra are reported beside the map. Default: none.</source>
            <translation>La escena del mapa. Con ella y los polígonos de entrenamiento se informa, junto al mapa, de una máquina de vectores de soporte y un bosque aleatorio sobre los espectros solos. Predeterminado: ninguna.</translation>
        </message>
        <message>
            <source>Training polygons</source>
            <translation>Polígonos de entrenamiento</translation>
        </message>
        <message>
            <source>The figures as JSON. Default: beside the report.</source>
            <translation>Las cifras como JSON. Predeterminado: junto al informe.</translation>
        </message>
        <message>
            <source>Spectral baselines need both the scene and the training polygons; give both or neither.</source>
            <translation>Las comparaciones espectrales necesitan la escena y los polígonos de entrenamiento; dé ambos o ninguno.</translation>
        </message>
        <message>
            <source>Change between two class maps</source>
            <translation>Cambios entre dos mapas de clases</translation>
        </message>
        <message>
            <source>What became what, as a map and as a table with areas and standard errors.</source>
            <translation>Qué pasó a ser qué, como mapa y como tabla con áreas y errores estándar.</translation>
        </message>
        <message>
            <source>Earlier class map</source>
            <translation>Mapa de clases anterior</translation>
        </message>
        <message>
            <source>The class map of the earlier date.</source>
            <translation>El mapa de clases de la fecha anterior.</translation>
        </message>
        <message>
            <source>Later class map</source>
            <translation>Mapa de clases posterior</translation>
        </message>
        <message>
            <source>The class map of the later date, on the grid of the earlier one.</source>
            <translation>El mapa de clases de la fecha posterior, en la cuadrícula del anterior.</translation>
        </message>
        <message>
            <source>Change map</source>
            <translation>Mapa de cambios</translation>
        </message>
        <message>
            <source>GeoTIFF with a class for each pair of classes: pale where nothing changed, else in a shade of the later class's colour.</source>
            <translation>GeoTIFF con una clase por cada par de clases: pálida donde nada cambió; si no, en un tono del color de la clase posterior.</translation>
        </message>
        <message>
            <source>From-to table</source>
            <translation>Tabla de transiciones</translation>
        </message>
        <message>
            <source>Pixels, areas and their standard errors of each pair of classes as CSV.</source>
            <translation>Píxeles, áreas y sus errores estándar de cada par de clases como CSV.</translation>
        </message>
        <message>
            <source>Written with the map. Default: none.</source>
            <translation>Escrita con el mapa. Predeterminado: ninguna.</translation>
        </message>
        <message>
            <source>Unknown below a confidence of</source>
            <translation>Desconocido por debajo de una confianza de</translation>
        </message>
        <message>
            <source>Confidence of the earlier map</source>
            <translation>Confianza del mapa anterior</translation>
        </message>
        <message>
            <source>Confidence of the later map</source>
            <translation>Confianza del mapa posterior</translation>
        </message>
        <message>
            <source>Pixels of lower confidence in one of the maps are counted apart. Default: 0.5.</source>
            <translation>Los píxeles de menor confianza en uno de los mapas se cuentan aparte. Predeterminado: 0.5.</translation>
        </message>
        <message>
            <source>Table of equal classes</source>
            <translation>Tabla de clases equivalentes</translation>
        </message>
        <message>
            <source>Reference of the change</source>
            <translation>Referencia de los cambios</translation>
        </message>
        <message>
            <source>Field with the class before</source>
            <translation>Campo con la clase de antes</translation>
        </message>
        <message>
            <source>Field with the class after</source>
            <translation>Campo con la clase de después</translation>
        </message>
        <message>
            <source>Columns before,after: classes that are the same though they are called differently. Default: classes of one name are the same.</source>
            <translation>Columnas before,after: clases que son la misma aunque se llamen de otro modo. Predeterminado: son la misma las clases del mismo nombre.</translation>
        </message>
        <message>
            <source>Points or polygons with the true class before and after; areas and their standard errors then rest on them. Default: on the held-out polygons of both maps.</source>
            <translation>Puntos o polígonos con la clase verdadera de antes y de después; las áreas y sus errores estándar se basan entonces en ellos. Predeterminado: en los polígonos reservados de ambos mapas.</translation>
        </message>
        <message>
            <source>A field of the reference. Default: none.</source>
            <translation>Un campo de la referencia. Predeterminado: ninguno.</translation>
        </message>
        <message>
            <source>The reference of the change needs its two fields, of before and after.</source>
            <translation>La referencia de los cambios necesita sus dos campos, el de antes y el de después.</translation>
        </message>
        <message>
            <source>Classify a scene</source>
            <translation>Clasificar una escena</translation>
        </message>
        <message>
            <source>Maps a scene with a trained classifier; class map and confidence.</source>
            <translation>Cartografía una escena con un clasificador entrenado; mapa de clases y confianza.</translation>
        </message>
        <message>
            <source>Classifier</source>
            <translation>Clasificador</translation>
        </message>
        <message>
            <source>Extent</source>
            <translation>Extensión</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written, or the .onnx file of 'Export a classifier'.</source>
            <translation>El archivo .safetensors que ha escrito 'Entrenar un clasificador', o el archivo .onnx de 'Exportar un clasificador'.</translation>
        </message>
        <message>
            <source>Only this part of the scene is mapped, on the scene's own pixels. Default: the whole scene.</source>
            <translation>Solo se cartografía esta parte de la escena, en los píxeles de la escena. Predeterminado: toda la escena.</translation>
        </message>
        <message>
            <source>GeoTIFF on the scene's grid with class numbers, names and colours; 0 = no data.</source>
            <translation>GeoTIFF en la cuadrícula de la escena con números, nombres y colores de las clases; 0 = sin datos.</translation>
        </message>
        <message>
            <source>The extent does not touch the scene '{name}'; choose one that does.</source>
            <translation>La extensión no toca la escena '{name}'; elija una que lo haga.</translation>
        </message>
        <message>
            <source>Classify several scenes</source>
            <translation>Clasificar varias escenas</translation>
        </message>
        <message>
            <source>Maps scenes of one sensor with one classifier, into a folder or one mosaic.</source>
            <translation>Cartografía escenas de un mismo sensor con un clasificador, en una carpeta o en un mosaico.</translation>
        </message>
        <message>
            <source>Folder of the maps</source>
            <translation>Carpeta de los mapas</translation>
        </message>
        <message>
            <source>Gets a class map for each scene, a GeoTIFF of its name on its grid.</source>
            <translation>Recibe un mapa de clases por escena: un GeoTIFF con su nombre y en su cuadrícula.</translation>
        </message>
        <message>
            <source>Mosaic</source>
            <translation>Mosaico</translation>
        </message>
        <message>
            <source>Also one class map of all, blended where they overlap; for scenes on one grid. Default: not written.</source>
            <translation>Además, un mapa de clases de todas, combinadas donde se solapan; para escenas en una misma cuadrícula. Predeterminado: no se escribe.</translation>
        </message>
        <message>
            <source>Class maps</source>
            <translation>Mapas de clases</translation>
        </message>
        <message>
            <source>Scenes that were not mapped</source>
            <translation>Escenas sin cartografiar</translation>
        </message>
        <message>
            <source>{lost} of {count} scenes are no layers: {names}; give those as scene files.</source>
            <translation>{lost} de {count} escenas no son capas: {names}; indíquelas como archivos de escena.</translation>
        </message>
        <message>
            <source>There is no scene to map; give layers or files.</source>
            <translation>No hay ninguna escena que cartografiar; indique capas o archivos.</translation>
        </message>
        <message>
            <source>{count} scenes were mapped, {failed} were not.</source>
            <translation>Se cartografiaron {count} escenas; {failed} no.</translation>
        </message>
        <message>
            <source>Scenes</source>
            <translation>Escenas</translation>
        </message>
        <message>
            <source>Scene files</source>
            <translation>Archivos de escena</translation>
        </message>
        <message>
            <source>Hyperspectral rasters of the sensor that the classifier was trained on, on any grids; bands are matched by wavelength. Default: none.</source>
            <translation>Rásteres hiperespectrales del sensor con el que se entrenó el clasificador, en cualquier cuadrícula; las bandas se emparejan por longitud de onda. Predeterminado: ninguno.</translation>
        </message>
        <message>
            <source>Scenes that are no layers: rasters, products, or a table scenes.csv with the columns scene,output,mask. One that cannot be read is named, and the others go on. Default: none.</source>
            <translation>Escenas que no son capas: rásteres, productos o una tabla scenes.csv con las columnas scene,output,mask. Si una no se puede leer, se nombra y las demás continúan. Predeterminado: ninguna.</translation>
        </message>
        <message>
            <source>Confidence of each map</source>
            <translation>Confianza de cada mapa</translation>
        </message>
        <message>
            <source>Class probabilities of each map</source>
            <translation>Probabilidades de las clases de cada mapa</translation>
        </message>
        <message>
            <source>GeoTIFFs in the folder '{name}' beside the maps. Default: no.</source>
            <translation>GeoTIFF en la carpeta '{name}' junto a los mapas. Predeterminado: no.</translation>
        </message>
        <message>
            <source>Export a classifier</source>
            <translation>Exportar un clasificador</translation>
        </message>
        <message>
            <source>Writes a classifier as ONNX, to map with on machines without PyTorch.</source>
            <translation>Escribe un clasificador como ONNX, para cartografiar en equipos sin PyTorch.</translation>
        </message>
        <message>
            <source>Exported classifier</source>
            <translation>Clasificador exportado</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written.</source>
            <translation>El archivo .safetensors que ha escrito 'Entrenar un clasificador'.</translation>
        </message>
        <message>
            <source>An .onnx file, all that 'Classify a scene' needs of the classifier.</source>
            <translation>Un archivo .onnx, todo lo que 'Clasificar una escena' necesita del clasificador.</translation>
        </message>
        <message>
            <source>'{name}' does not end in .onnx; choose another name.</source>
            <translation>'{name}' no termina en .onnx; elija otro nombre.</translation>
        </message>
        <message>
            <source>Export training pixels</source>
            <translation>Exportar píxeles de entrenamiento</translation>
        </message>
        <message>
            <source>Each training pixel with its class and band values, as points and as a table.</source>
            <translation>Cada píxel de entrenamiento con su clase y sus valores por banda, como puntos y como tabla.</translation>
        </message>
        <message>
            <source>Table</source>
            <translation>Tabla</translation>
        </message>
        <message>
            <source>The polygons whose pixels are written.</source>
            <translation>Los polígonos cuyos píxeles se escriben.</translation>
        </message>
        <message>
            <source>GeoPackage with a point a pixel: class number and name, polygon, column and row (from 0), x and y, and a column a band, named by its wavelength in nm.</source>
            <translation>GeoPackage con un punto por píxel: número y nombre de clase, polígono, columna y fila (desde 0), x e y, y una columna por banda, con su longitud de onda en nm como nombre.</translation>
        </message>
        <message>
            <source>The same columns as CSV.</source>
            <translation>Las mismas columnas como CSV.</translation>
        </message>
        <message>
            <source>Number of pixels</source>
            <translation>Número de píxeles</translation>
        </message>
        <message>
            <source>Map a scene from polygons</source>
            <translation>Cartografiar una escena a partir de polígonos</translation>
        </message>
        <message>
            <source>From a hyperspectral raster and a few polygons to a class map, in one step.</source>
            <translation>De un ráster hiperespectral y unos pocos polígonos a un mapa de clases, en un paso.</translation>
        </message>
        <message>
            <source>The training polygons, at least 3 pixels in each of two or more classes.</source>
            <translation>Los polígonos de entrenamiento, al menos 3 píxeles en cada una de dos o más clases.</translation>
        </message>
        <message>
            <source>Reference that is not used for training. Default: a quarter of the training polygons is held out for the accuracy figures; the map then learns from all of them.</source>
            <translation>Referencia que no se usa para entrenar. Predeterminado: un cuarto de los polígonos de entrenamiento se reserva para las cifras de exactitud; el mapa aprende después de todos.</translation>
        </message>
        <message>
            <source>Validation polygons</source>
            <translation>Polígonos de validación</translation>
        </message>
        <message>
            <source>New diffusion model</source>
            <translation>Nuevo modelo de difusión</translation>
        </message>
        <message>
            <source>With this file the scene is pretrained first, which takes minutes, and the stack listens to the diffusion network too. Default: none; pretrained only if the classifier needs it.</source>
            <translation>Con este archivo la escena se preentrena primero, lo que lleva minutos, y el stacking escucha también a la red de difusión. Por defecto: ninguno; solo se preentrena si el clasificador lo necesita.</translation>
        </message>
        <message>
            <source>Kept to map other scenes of the same sensor. Default: not kept.</source>
            <translation>Se conserva para cartografiar otras escenas del mismo sensor. Predeterminado: no se conserva.</translation>
        </message>
        <message>
            <source>Join class maps to a mosaic</source>
            <translation>Unir mapas de clases en un mosaico</translation>
        </message>
        <message>
            <source>One class map of many; where they overlap, their probabilities are blended.</source>
            <translation>Un mapa de clases a partir de varios; donde se solapan, se combinan sus probabilidades.</translation>
        </message>
        <message>
            <source>Probabilities</source>
            <translation>Probabilidades</translation>
        </message>
        <message>
            <source>Of each map the layer of probabilities that 'Classify a scene' has written, all with one classifier and on one grid.</source>
            <translation>De cada mapa, la capa de probabilidades que escribió 'Clasificar una escena'; todas con el mismo clasificador y en la misma cuadrícula.</translation>
        </message>
        <message>
            <source>GeoTIFF (COG) with overviews, class numbers, names and colours; 0 = no data.</source>
            <translation>GeoTIFF (COG) con pirámides y números, nombres y colores de las clases; 0 = sin datos.</translation>
        </message>
        <message>
            <source>There is no map for a mosaic; give the probabilities of each.</source>
            <translation>No hay ningún mapa para el mosaico; indique las probabilidades de cada uno.</translation>
        </message>
        <message>
            <source>mosaic</source>
            <translation>mosaico</translation>
        </message>
        <message>
            <source>Where to label next</source>
            <translation>Dónde etiquetar ahora</translation>
        </message>
        <message>
            <source>Points in doubt, spread over the scene, with the two classes in question.</source>
            <translation>Puntos dudosos, repartidos por la escena, con las dos clases en cuestión.</translation>
        </message>
        <message>
            <source>Class probabilities</source>
            <translation>Probabilidades de las clases</translation>
        </message>
        <message>
            <source>Number of points</source>
            <translation>Número de puntos</translation>
        </message>
        <message>
            <source>Labels that there are already; the points keep away. Default: none.</source>
            <translation>Etiquetas que ya hay; los puntos se mantienen lejos. Predeterminado: ninguna.</translation>
        </message>
        <message>
            <source>Points to label</source>
            <translation>Puntos para etiquetar</translation>
        </message>
        <message>
            <source>One band for each class, from 'Classify a scene' or 'Map a scene'.</source>
            <translation>Una banda por clase, de 'Clasificar una escena' o 'Cartografiar una escena a partir de polígonos'.</translation>
        </message>
        <message>
            <source>How many points are proposed. Default: 20.</source>
            <translation>Cuántos puntos se proponen. Predeterminado: 20.</translation>
        </message>
        <message>
            <source>GeoPackage with rank (1 is best), doubt (0 to 1), the two classes in doubt and their probabilities.</source>
            <translation>GeoPackage con rango (1 es el mejor), duda (0 a 1), las dos clases en duda y sus probabilidades.</translation>
        </message>
        <message>
            <source>Number of points found</source>
            <translation>Número de puntos encontrados</translation>
        </message>
        <message>
            <source>Pretrain on a scene</source>
            <translation>Preentrenar con una escena</translation>
        </message>
        <message>
            <source>Learns a hyperspectral scene without labels and writes a diffusion model.</source>
            <translation>Aprende una escena hiperespectral sin etiquetas y escribe un modelo de difusión.</translation>
        </message>
        <message>
            <source>A .safetensors file of 5 to 110 MB, to be used by 'Train a classifier' and 'Map a scene from polygons'. Checkpoints lie beside it until it is complete.</source>
            <translation>Un archivo .safetensors de 5 a 110 MB, para 'Entrenar un clasificador' y 'Cartografiar una escena a partir de polígonos'. Los puntos de control están junto a él hasta que esté completo.</translation>
        </message>
        <message>
            <source>Parts a scene into regions that are learnt with their classes.</source>
            <translation>Divide una escena en regiones que se aprenden junto con sus clases.</translation>
        </message>
        <message>
            <source>What the regions are learnt from. Default: none, and regions that were learnt before are taken.</source>
            <translation>De qué se aprenden las regiones. Predeterminado: ninguno; se toman regiones aprendidas antes.</translation>
        </message>
        <message>
            <source>Size of a region in pixels</source>
            <translation>Tamaño de una región en píxeles</translation>
        </message>
        <message>
            <source>Side of the squares in which regions begin: 2 at least, the scene's shorter side at most. 0 (default): half of a typical polygon's side, 4 to 16.</source>
            <translation>Lado de los cuadrados de los que parten las regiones: 2 como mínimo, el lado corto de la escena como máximo. 0 (predeterminado): la mitad del lado de un polígono típico, de 4 a 16.</translation>
        </message>
        <message>
            <source>Achievable segmentation accuracy (0 to 1)</source>
            <translation>Exactitud de segmentación alcanzable (0 a 1)</translation>
        </message>
        <message>
            <source>Number of regions</source>
            <translation>Número de regiones</translation>
        </message>
        <message>
            <source>Learnt regions</source>
            <translation>Regiones aprendidas</translation>
        </message>
        <message>
            <source>Map to compare with</source>
            <translation>Mapa de comparación</translation>
        </message>
        <message>
            <source>The .safetensors file of an earlier run, of this scene or another of the same sensor: nothing is learnt then. Default: none.</source>
            <translation>El archivo .safetensors de una ejecución anterior, de esta escena o de otra del mismo sensor: entonces no se aprende nada. Predeterminado: ninguno.</translation>
        </message>
        <message>
            <source>A class map of single pixels whose accuracy the report tells beside that of the regions, where both were judged by the same pixels. Default: none.</source>
            <translation>Un mapa de clases de píxeles sueltos cuya exactitud figura en el informe junto a la de las regiones, si ambas se evaluaron con los mismos píxeles. Predeterminado: ninguno.</translation>
        </message>
        <message>
            <source>Regions</source>
            <translation>Regiones</translation>
        </message>
        <message>
            <source>Class map of the regions</source>
            <translation>Mapa de clases de las regiones</translation>
        </message>
        <message>
            <source>New learnt regions</source>
            <translation>Nuevas regiones aprendidas</translation>
        </message>
        <message>
            <source>GeoPackage with a polygon for each region: class_id, class_name, color, pixels, area_ha, and share_N, the share of each class N.</source>
            <translation>GeoPackage con un polígono por región: class_id, class_name, color, pixels, area_ha y share_N, la parte de cada clase N.</translation>
        </message>
        <message>
            <source>GeoTIFF on the scene's grid: each pixel has the class of its region.</source>
            <translation>GeoTIFF en la cuadrícula de la escena: cada píxel tiene la clase de su región.</translation>
        </message>
        <message>
            <source>Kept to map this scene or another with. Default: not kept.</source>
            <translation>Se conservan para cartografiar esta escena u otra. Predeterminado: no se conservan.</translation>
        </message>
        <message>
            <source>Choose training polygons or learnt regions: one of the two.</source>
            <translation>Elija polígonos de entrenamiento o regiones aprendidas: una de las dos cosas.</translation>
        </message>
        <message>
            <source>Regions cannot begin as squares of 1 px; choose 2 or more, or 0.</source>
            <translation>Las regiones no pueden partir de cuadrados de 1 px; elija 2 o más, o 0.</translation>
        </message>
        <message>
            <source>Train a classifier</source>
            <translation>Entrenar un clasificador</translation>
        </message>
        <message>
            <source>Learns the classes of training polygons and writes a classifier.</source>
            <translation>Aprende las clases de polígonos de entrenamiento y escribe un clasificador.</translation>
        </message>
        <message>
            <source>A .safetensors file that holds the diffusion model, the classes with names and colours, and the accuracy on held-out polygons; it is all that 'Classify a scene' needs.</source>
            <translation>Un archivo .safetensors que contiene el modelo de difusión, las clases con nombres y colores y la exactitud en polígonos reservados; es todo lo que necesita 'Clasificar una escena'.</translation>
        </message>
        <message>
            <source>The classifier 'mtmsd' needs a diffusion model; give the one that 'Pretrain on a scene' has written, or choose another classifier.</source>
            <translation>El clasificador 'mtmsd' necesita un modelo de difusión; dé el que ha escrito 'Preentrenar con una escena' o elija otro clasificador.</translation>
        </message>
        <message>
            <source>Turn a class map into polygons</source>
            <translation>Convertir un mapa de clases en polígonos</translation>
        </message>
        <message>
            <source>Polygons with class, area and mean confidence, and the area of each class.</source>
            <translation>Polígonos con clase, área y confianza media, y el área de cada clase.</translation>
        </message>
        <message>
            <source>Confidence</source>
            <translation>Confianza</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polígonos</translation>
        </message>
        <message>
            <source>Area table</source>
            <translation>Tabla de áreas</translation>
        </message>
        <message>
            <source>Written with the map; its mean is told for each polygon. Default: none.</source>
            <translation>Escrita con el mapa; se da su media para cada polígono. Predeterminado: ninguna.</translation>
        </message>
        <message>
            <source>GeoPackage with a polygon for each connected region: class_id, class_name, color, pixels, area_ha, confidence.</source>
            <translation>GeoPackage con un polígono por cada región conexa: class_id, class_name, color, pixels, area_ha, confidence.</translation>
        </message>
        <message>
            <source>Pixels, share and hectares of each class as CSV. Default: not written.</source>
            <translation>Píxeles, parte y hectáreas de cada clase como CSV. Predeterminado: no se escribe.</translation>
        </message>
        <message>
            <source>Number of polygons</source>
            <translation>Número de polígonos</translation>
        </message>
        <message>
            <source>Overall accuracy (0 to 1)</source>
            <translation>Exactitud global (0 a 1)</translation>
        </message>
        <message>
            <source>Average accuracy (0 to 1)</source>
            <translation>Exactitud media (0 a 1)</translation>
        </message>
        <message>
            <source>Kappa</source>
            <translation>Kappa</translation>
        </message>
        <message>
            <source>The raster layer '{name}' comes from the provider '{provider}', which the engine cannot read; save it as a GeoTIFF and use that.</source>
            <translation>La capa ráster '{name}' viene del proveedor '{provider}', que el motor no puede leer; guárdela como GeoTIFF y use ese.</translation>
        </message>
        <message>
            <source>The raster layer '{name}' is only in QGIS's memory; save it as a GeoTIFF and use that.</source>
            <translation>La capa ráster '{name}' solo está en la memoria de QGIS; guárdela como GeoTIFF y use ese.</translation>
        </message>
        <message>
            <source>The layer '{name}' is neither a vector nor a raster layer.</source>
            <translation>La capa '{name}' no es vectorial ni ráster.</translation>
        </message>
        <message>
            <source>No polygon of the layer '{name}' is selected; select some, or leave 'Selected polygons only' off.</source>
            <translation>No hay ningún polígono seleccionado en la capa '{name}'; seleccione alguno o deje sin marcar 'Solo polígonos seleccionados'.</translation>
        </message>
        <message>
            <source>The layer '{name}' could not be written for the engine: {reason}</source>
            <translation>La capa '{name}' no se pudo escribir para el motor: {reason}</translation>
        </message>
        <message>
            <source>Automatic: the stack, with the preset paper MTMSD alone</source>
            <translation>Automático: el stacking; con el preajuste paper, solo MTMSD</translation>
        </message>
        <message>
            <source>auto (default): stack; with the preset paper, mtmsd. stack: several simple classifiers, and the diffusion network where there is a model, weighed by polygons that were left out; without a model it takes seconds. mtmsd: the network alone. Or one of plain spectra: svm (support vector machine), svm-polygons (the same, tuned over whole polygons), rf (random forest). The accuracy report says when one of them is better.</source>
            <translation>auto (por defecto): stack; con el preajuste paper, mtmsd. stack: varios clasificadores sencillos, y la red de difusión si hay un modelo, ponderados según polígonos reservados; sin modelo tarda segundos. mtmsd: solo la red. O uno puramente espectral: svm (máquina de vectores de soporte), svm-polygons (la misma, ajustada por polígonos enteros), rf (bosque aleatorio). El informe de exactitud dice cuándo uno de ellos es mejor.</translation>
        </message>
        <message>
            <source>Class of the library's spectra</source>
            <translation>Clase de los espectros de la biblioteca</translation>
        </message>
        <message>
            <source>Table of the library's classes</source>
            <translation>Tabla de clases de la biblioteca</translation>
        </message>
        <message>
            <source>Factor of the library's values</source>
            <translation>Factor de los valores de la biblioteca</translation>
        </message>
        <message>
            <source>Its spectra train beside the polygons, resampled to the scene's bands, and may make a class that has no polygon; not for the classifier 'mtmsd'. ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd). Default: none.</source>
            <translation>Sus espectros entrenan junto a los polígonos, remuestreados a las bandas de la escena, y pueden formar una clase que no tiene polígonos; no con el clasificador 'mtmsd'. ENVI (.sli), CSV, texto del USGS o de ECOSTRESS, ASD (.asd). Predeterminado: ninguna.</translation>
        </message>
        <message>
            <source>One class for all of its spectra. Default: each spectrum's name is its class.</source>
            <translation>Una sola clase para todos sus espectros. Predeterminado: el nombre de cada espectro es su clase.</translation>
        </message>
        <message>
            <source>CSV with the columns name and class, and if wanted value and color: the class of each spectrum; spectra that it does not name are left out. Default: none.</source>
            <translation>CSV con las columnas name y class y, si se quiere, value y color: la clase de cada espectro; los espectros que no nombra se dejan fuera. Predeterminado: ninguna.</translation>
        </message>
        <message>
            <source>What its values are multiplied by to have the scene's units. Default: told by its numbers (0 to 1, percent, times 10,000); the log says which.</source>
            <translation>Por cuánto se multiplican sus valores para tener las unidades de la escena. Predeterminado: se deduce de sus números (de 0 a 1, porcentaje, por 10 000); el registro dice cuál es.</translation>
        </message>
        <message>
            <source>{parameter} is given, and no spectral library; choose one, or leave it out.</source>
            <translation>Se ha indicado {parameter}, pero ninguna biblioteca espectral; elija una o quítelo.</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>Automático</translation>
        </message>
        <message>
            <source>Whole polygons</source>
            <translation>Polígonos enteros</translation>
        </message>
        <message>
            <source>Spatial cross-validation</source>
            <translation>Validación cruzada espacial</translation>
        </message>
        <message>
            <source>Single pixels (optimistic)</source>
            <translation>Píxeles sueltos (optimista)</translation>
        </message>
        <message>
            <source>How polygons are held out</source>
            <translation>Cómo se reservan los polígonos</translation>
        </message>
        <message>
            <source>Share held out</source>
            <translation>Parte reservada</translation>
        </message>
        <message>
            <source>Guard distance in pixels</source>
            <translation>Distancia de guarda en píxeles</translation>
        </message>
        <message>
            <source>polygons: whole ones. cross: spatial cross-validation, each polygon tested once. auto (default): cross where most classes have fewer than 4 polygons, else polygons. random: single pixels, whose figures are optimistic because they lie beside training pixels.</source>
            <translation>polygons: enteros. cross: validación cruzada espacial, cada polígono se prueba una vez. auto (predeterminado): cross donde la mayoría de las clases tiene menos de 4 polígonos, si no polygons. random: píxeles sueltos, cuyas cifras son optimistas porque están junto a píxeles de entrenamiento.</translation>
        </message>
        <message>
            <source>Share of each class that is held out, 0 to 0.9. With 0 no accuracy is told and the confidence is not calibrated. Default: 0.25.</source>
            <translation>Parte de cada clase que se reserva, de 0 a 0.9. Con 0 no se da exactitud y la confianza no se calibra. Predeterminado: 0.25.</translation>
        </message>
        <message>
            <source>Training pixels nearer than this to a held-out one are left out. Default: 0.</source>
            <translation>Los píxeles de entrenamiento más cercanos que esto a uno reservado se dejan fuera. Predeterminado: 0.</translation>
        </message>
        <message>
            <source>Majority filter, side in pixels</source>
            <translation>Filtro de mayoría, lado en píxeles</translation>
        </message>
        <message>
            <source>Minimum mapping unit in pixels</source>
            <translation>Unidad mínima cartografiable en píxeles</translation>
        </message>
        <message>
            <source>Pixels of lower confidence, 0 to 1, get the class 255 'unknown'. Default: none.</source>
            <translation>Los píxeles de menor confianza, de 0 a 1, reciben la clase 255 'unknown'. Predeterminado: ninguno.</translation>
        </message>
        <message>
            <source>Each pixel gets the most frequent class of a square of 3, 5, 7, … pixels around it; on a tie it keeps its own. Default: none.</source>
            <translation>Cada píxel recibe la clase más frecuente de un cuadrado de 3, 5, 7, … píxeles a su alrededor; en un empate conserva la suya. Predeterminado: ninguno.</translation>
        </message>
        <message>
            <source>Smaller regions join their largest neighbour. Default: all regions stay.</source>
            <translation>Las regiones menores se unen a su mayor vecina. Predeterminado: quedan todas.</translation>
        </message>
        <message>
            <source>GeoTIFF with one band for each class, 0 to 1; four bytes a pixel and class. 'Where to label next' needs it. Default: not written.</source>
            <translation>GeoTIFF con una banda por clase, de 0 a 1; cuatro bytes por píxel y clase. 'Dónde etiquetar ahora' lo necesita. Predeterminado: no se escribe.</translation>
        </message>
        <message>
            <source>Entropy</source>
            <translation>Entropía</translation>
        </message>
        <message>
            <source>GeoTIFF: 0 where one class is certain, 1 where all are as likely. Default: not written.</source>
            <translation>GeoTIFF: 0 donde una clase es segura, 1 donde todas son igual de probables. Predeterminado: no se escribe.</translation>
        </message>
        <message>
            <source>Disagreement</source>
            <translation>Desacuerdo</translation>
        </message>
        <message>
            <source>GeoTIFF: how far the members of the ensemble differ, 0 to 1; not for the simple classifiers. Default: not written.</source>
            <translation>GeoTIFF: cuánto difieren los miembros del conjunto, de 0 a 1; no para los clasificadores simples. Predeterminado: no se escribe.</translation>
        </message>
        <message>
            <source>Doubtful polygons</source>
            <translation>Polígonos dudosos</translation>
        </message>
        <message>
            <source>GeoPackage with the training polygons that the other polygons call another class: their class, the one that the map would give, and the share of their pixels that are called so. By the classifier 'stack' only. Default: not written.</source>
            <translation>GeoPackage con los polígonos de entrenamiento que los demás asignan a otra clase: su clase, la que les daría el mapa y la parte de sus píxeles asignada a ella. Solo con el clasificador 'stack'. Predeterminado: no se escribe.</translation>
        </message>
        <message>
            <source>GeoPackage with the map's regions, as by 'Turn a class map into polygons'. Default: not written.</source>
            <translation>GeoPackage con las regiones del mapa, como con 'Convertir un mapa de clases en polígonos'. Predeterminado: no se escribe.</translation>
        </message>
        <message>
            <source>GeoPackage with 20 places worth a label next, as by 'Where to label next'. Default: not written.</source>
            <translation>GeoPackage con 20 lugares que merecen una etiqueta, como con 'Dónde etiquetar ahora'. Predeterminado: no se escribe.</translation>
        </message>
        <message>
            <source>Scene and polygons to map and report</source>
            <translation>De escena y polígonos a mapa e informe</translation>
        </message>
        <message>
            <source>Map another scene</source>
            <translation>Cartografiar otra escena</translation>
        </message>
        <message>
            <source>Assess and polygonize</source>
            <translation>Evaluar y poligonizar</translation>
        </message>
        <message>
            <source>Models</source>
            <translation>Modelos</translation>
        </message>
        <message>
            <source>The hyperspectral raster. Pixels without data and bad bands (marked in the file, constant, or empty) are left out by themselves.</source>
            <translation>El ráster hiperespectral. Los píxeles sin datos y las bandas malas (marcadas en el archivo, constantes o vacías) se dejan fuera por sí solos.</translation>
        </message>
        <message>
            <source>A polygon layer in any CRS with a class field, a raster on the scene's grid with class numbers (0 = unlabelled), or the path of another program's training areas: SCP's .scpx, ENVI's regions of interest (.xml, .roi as text).</source>
            <translation>Una capa de polígonos en cualquier SRC con un campo de clase, un ráster en la cuadrícula de la escena con números de clase (0 = sin etiqueta) o la ruta de áreas de entrenamiento de otro programa: .scpx de SCP o regiones de interés de ENVI (.xml, .roi como texto).</translation>
        </message>
        <message>
            <source>Class field</source>
            <translation>Campo de clase</translation>
        </message>
        <message>
            <source>Class number or class name of each polygon; of a number the name is taken from a field such as class_name. Default: the field called class_id, class, or similar.</source>
            <translation>Número o nombre de clase de cada polígono; para un número se toma el nombre de un campo como class_name. Predeterminado: el campo llamado class_id, class o similar.</translation>
        </message>
        <message>
            <source>Selected polygons only</source>
            <translation>Solo polígonos seleccionados</translation>
        </message>
        <message>
            <source>Only the selected ones of the labels' polygons are read. Default: no, all.</source>
            <translation>Solo se leen los polígonos seleccionados de las etiquetas. Predeterminado: no, todos.</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Pretrain on a scene' has written.</source>
            <translation>El archivo .safetensors que ha escrito 'Preentrenar con una escena'.</translation>
        </message>
        <message>
            <source>With it, pretraining is skipped. Default: none.</source>
            <translation>Con él se omite el preentrenamiento. Predeterminado: ninguno.</translation>
        </message>
        <message>
            <source>Quick: a first look</source>
            <translation>Rápido: un primer vistazo</translation>
        </message>
        <message>
            <source>Balanced: good maps</source>
            <translation>Equilibrado: buenos mapas</translation>
        </message>
        <message>
            <source>Paper: as published, on a GPU</source>
            <translation>Artículo: como se publicó, con GPU</translation>
        </message>
        <message>
            <source>Preset</source>
            <translation>Preajuste</translation>
        </message>
        <message>
            <source>quick: about 3 minutes of pretraining on two CPU cores, for a first look. balanced (default): about 10 to 15 minutes, the map to keep. paper: the published network and length; needs a GPU.</source>
            <translation>quick: unos 3 minutos de preentrenamiento en dos núcleos de CPU, para un primer vistazo. balanced (predeterminado): unos 10 a 15 minutos, el mapa para conservar. paper: la red y la duración publicadas; necesita una GPU.</translation>
        </message>
        <message>
            <source>Processor (CPU)</source>
            <translation>Procesador (CPU)</translation>
        </message>
        <message>
            <source>Graphics card (CUDA)</source>
            <translation>Tarjeta gráfica (CUDA)</translation>
        </message>
        <message>
            <source>Graphics card {} (CUDA)</source>
            <translation>Tarjeta gráfica {} (CUDA)</translation>
        </message>
        <message>
            <source>Apple graphics (MPS)</source>
            <translation>GPU Apple (MPS)</translation>
        </message>
        <message>
            <source>Device</source>
            <translation>Dispositivo</translation>
        </message>
        <message>
            <source>auto (default) takes a GPU that works, else the CPU.</source>
            <translation>auto (predeterminado) toma una GPU que funcione, si no la CPU.</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Semilla</translation>
        </message>
        <message>
            <source>The same seed on the same machine gives the same result. Default: 0.</source>
            <translation>La misma semilla en el mismo equipo da el mismo resultado. Predeterminado: 0.</translation>
        </message>
        <message>
            <source>Other settings</source>
            <translation>Otros ajustes</translation>
        </message>
        <message>
            <source>Single numbers of the preset replaced, as KEY=VALUE with spaces between: 'iterations=2000 members=5'; with the stack 'rare_classes=0.5' finds classes of few training pixels more often. Default: none.</source>
            <translation>Números sueltos del preajuste sustituidos, como KEY=VALUE separados por espacios: 'iterations=2000 members=5'; con el stacking, 'rare_classes=0.5' encuentra más a menudo las clases con pocos píxeles de entrenamiento. Predeterminado: ninguno.</translation>
        </message>
        <message>
            <source>Bands to leave out</source>
            <translation>Bandas que excluir</translation>
        </message>
        <message>
            <source>Band numbers or wavelengths besides those that are left out by themselves: '1-5,130-135' or '1340-1460nm,1790-1960nm' (water vapour). Default: none.</source>
            <translation>Números de banda o longitudes de onda además de las que se excluyen por sí solas: '1-5,130-135' o '1340-1460nm,1790-1960nm' (vapor de agua). Predeterminado: ninguna.</translation>
        </message>
        <message>
            <source>Masks</source>
            <translation>Máscaras</translation>
        </message>
        <message>
            <source>Bits or values of masks</source>
            <translation>Bits o valores de las máscaras</translation>
        </message>
        <message>
            <source>Masks of the product</source>
            <translation>Máscaras del producto</translation>
        </message>
        <message>
            <source>Clouds, shadow, water: pixels in their polygons (any CRS), or not 0 in their rasters (on the scene's grid), are left out as if they had no data. Default: none.</source>
            <translation>Nubes, sombra, agua: los píxeles dentro de sus polígonos (en cualquier SRC) o distintos de 0 en sus rásteres (en la cuadrícula de la escena) se excluyen como si no tuvieran datos. Predeterminado: ninguna.</translation>
        </message>
        <message>
            <source>What of a raster mask is meant: 'bits=10,11' of a bit mask, 'values=3,8,9' of a class raster. Default: all but 0.</source>
            <translation>Qué se toma de una máscara ráster: 'bits=10,11' de una máscara de bits, 'values=3,8,9' de un ráster de clases. Predeterminado: todo menos 0.</translation>
        </message>
        <message>
            <source>Also the masks of clouds, shadow and cirrus that come with a scene of EnMAP, EMIT or PRISMA. Default: no.</source>
            <translation>También las máscaras de nubes, sombra y cirros que acompañan a una escena de EnMAP, EMIT o PRISMA. Predeterminado: no.</translation>
        </message>
        <message>
            <source>'{text}' does not say what of a mask is meant; write bits=10,11 or values=3,8.</source>
            <translation>'{text}' no indica qué se toma de una máscara; escriba bits=10,11 o values=3,8.</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>Reanudar</translation>
        </message>
        <message>
            <source>Continue from the last checkpoint of a canceled or broken run with the same output file. Default: no.</source>
            <translation>Continuar desde el último punto de control de una ejecución cancelada o rota con el mismo archivo de salida. Predeterminado: no.</translation>
        </message>
        <message>
            <source>GeoTIFF with the probability of the mapped class, 0 to 1.</source>
            <translation>GeoTIFF con la probabilidad de la clase cartografiada, de 0 a 1.</translation>
        </message>
        <message>
            <source>Accuracy report</source>
            <translation>Informe de exactitud</translation>
        </message>
        <message>
            <source>One HTML file with confusion matrix (rows: reference, columns: map), accuracies and, where they can be made, spectral baselines.</source>
            <translation>Un archivo HTML con la matriz de confusión (filas: referencia, columnas: mapa), exactitudes y, donde se pueda, comparaciones espectrales.</translation>
        </message>
        <message>
            <source>'{word}' in Other settings is not of the form KEY=VALUE.</source>
            <translation>'{word}' en Otros ajustes no tiene la forma KEY=VALUE.</translation>
        </message>
        <message>
            <source>'{path}' is not a GeoTIFF, the one format that is written; end it in .tif.</source>
            <translation>'{path}' no es un GeoTIFF, el único formato que se escribe; termínelo en .tif.</translation>
        </message>
        <message>
            <source>'{path}' is not a GeoPackage, the one format that is written; end it in .gpkg.</source>
            <translation>'{path}' no es un GeoPackage, el único formato que se escribe; termínelo en .gpkg.</translation>
        </message>
        <message>
            <source>Engine {version} on {device}</source>
            <translation>Motor {version} en {device}</translation>
        </message>
        <message>
            <source>Engine {version}</source>
            <translation>Motor {version}</translation>
        </message>
        <message>
            <source>{title}: {done} of {total} {unit}</source>
            <translation>{title}: {done} de {total} {unit}</translation>
        </message>
        <message>
            <source>{}, {} left</source>
            <translation>{}, quedan {}</translation>
        </message>
        <message>
            <source>The job in {folder} could not be started with {python}: {reason}.</source>
            <translation>El trabajo en {folder} no se pudo iniciar con {python}: {reason}.</translation>
        </message>
        <message>
            <source>Job folder: {folder}</source>
            <translation>Carpeta del trabajo: {folder}</translation>
        </message>
        <message>
            <source>{python} cannot be started: {reason}.</source>
            <translation>{python} no se puede iniciar: {reason}.</translation>
        </message>
        <message>
            <source>Choose another Python.</source>
            <translation>Elija otro Python.</translation>
        </message>
        <message>
            <source>{python} {ended} when the engine was checked ({last}).</source>
            <translation>{python} {ended} cuando se comprobaba el motor ({last}).</translation>
        </message>
        <message>
            <source>Choose another Python, or set the engine up anew.</source>
            <translation>Elija otro Python, o instale el motor de nuevo.</translation>
        </message>
        <message>
            <source>The card {card} has only {free} MB free.</source>
            <translation>La tarjeta {card} solo tiene {free} MB libres.</translation>
        </message>
        <message>
            <source>Close other programs that use it, or set the engine up for the processor.</source>
            <translation>Cierre otros programas que la usen, o instale el motor para el procesador.</translation>
        </message>
        <message>
            <source>All was installed, but it computes on no NVIDIA graphics card here{}.</source>
            <translation>Todo se instaló, pero aquí no calcula en ninguna tarjeta gráfica NVIDIA{}.</translation>
        </message>
        <message>
            <source>All was installed, but it computes on no Apple GPU here{}.</source>
            <translation>Todo se instaló, pero aquí no calcula en ninguna GPU de Apple{}.</translation>
        </message>
        <message>
            <source>Update the card's driver, or set the engine up for the processor.</source>
            <translation>Actualice el controlador de la tarjeta, o instale el motor para el procesador.</translation>
        </message>
        <message>
            <source>The proxy asks for a name and a password.</source>
            <translation>El proxy pide un nombre y una contraseña.</translation>
        </message>
        <message>
            <source>Enter them in QGIS under Settings &gt; Options &gt; Network, or under Advanced as http://user[:password]@host:port.</source>
            <translation>Introdúzcalos en QGIS en Configuración &gt; Opciones &gt; Red, o en Avanzado como http://user[:password]@host:port.</translation>
        </message>
        <message>
            <source>The connection to {index} shows a certificate that this machine does not trust; a virus scanner or a company's proxy may be reading along.</source>
            <translation>La conexión con {index} muestra un certificado en el que esta máquina no confía; quizá un antivirus o el proxy de una empresa esté leyendo.</translation>
        </message>
        <message>
            <source>Ask your administrator for the certificate, install it in the system, and set SSL_CERT_FILE to it if that is not enough; or use a folder of wheels.</source>
            <translation>Pida el certificado a su administrador, instálelo en el sistema, y si no basta apunte SSL_CERT_FILE a él; o use una carpeta de wheels.</translation>
        </message>
        <message>
            <source>The disk of {folder} is full.</source>
            <translation>El disco de {folder} está lleno.</translation>
        </message>
        <message>
            <source>Free some space or choose a folder on another disk, then try again: it goes on where it stopped.</source>
            <translation>Libere espacio o elija una carpeta en otro disco, y vuelva a intentarlo: continúa donde se detuvo.</translation>
        </message>
        <message>
            <source>The path {folder} is too long for files inside it.</source>
            <translation>La ruta {folder} es demasiado larga para los archivos dentro.</translation>
        </message>
        <message>
            <source>Choose a shorter one.</source>
            <translation>Elija una más corta.</translation>
        </message>
        <message>
            <source>A file in {folder} is in use by another program.</source>
            <translation>Otro programa está usando un archivo de {folder}.</translation>
        </message>
        <message>
            <source>Wait for the engine's jobs to end, close other QGIS windows, then try again.</source>
            <translation>Espere a que terminen los trabajos del motor, cierre otras ventanas de QGIS, y vuelva a intentarlo.</translation>
        </message>
        <message>
            <source>The folder {folder} may not be written.</source>
            <translation>No se permite escribir en la carpeta {folder}.</translation>
        </message>
        <message>
            <source>Choose another folder, or ask who owns it.</source>
            <translation>Elija otra carpeta, o pregunte a su propietario.</translation>
        </message>
        <message>
            <source>A package that was fetched is not the one that was tested (its checksum differs).</source>
            <translation>Un paquete descargado no es el que se probó (su suma de verificación difiere).</translation>
        </message>
        <message>
            <source>Try again; if it happens again, {index} serves something else: use another index, and tell its administrator.</source>
            <translation>Vuelva a intentarlo; si ocurre otra vez, {index} sirve otra cosa: use otro índice y avise a su administrador.</translation>
        </message>
        <message>
            <source>The Python {python} is managed by the system, which lets nothing be installed into it.</source>
            <translation>El Python {python} lo gestiona el sistema, que no deja instalar nada en él.</translation>
        </message>
        <message>
            <source>Install python3-venv (on Debian and Ubuntu), or choose another Python; QGIS's and the system's own stay as they are.</source>
            <translation>Instale python3-venv (en Debian y Ubuntu), o elija otro Python; los de QGIS y del sistema quedan como están.</translation>
        </message>
        <message>
            <source>The Python {python} cannot make an environment: it lacks venv or ensurepip.</source>
            <translation>El Python {python} no puede crear un entorno: le falta venv o ensurepip.</translation>
        </message>
        <message>
            <source>Install python3-venv (on Debian and Ubuntu), or choose another Python.</source>
            <translation>Instale python3-venv (en Debian y Ubuntu), o elija otro Python.</translation>
        </message>
        <message>
            <source>{index} cannot be reached.</source>
            <translation>No se puede acceder a {index}.</translation>
        </message>
        <message>
            <source>Look at the network and at the proxy (Settings &gt; Options &gt; Network) and try again; on a machine without a network use a folder of wheels.</source>
            <translation>Revise la red y el proxy (Configuración &gt; Opciones &gt; Red) y vuelva a intentarlo; en una máquina sin red use una carpeta de wheels.</translation>
        </message>
        <message>
            <source>The connection to {index} broke off.</source>
            <translation>La conexión con {index} se interrumpió.</translation>
        </message>
        <message>
            <source>Try again: what was fetched is kept.</source>
            <translation>Vuelva a intentarlo: lo descargado se conserva.</translation>
        </message>
        <message>
            <source>{index} is not secured (it is http, not https), so nothing is taken from it.</source>
            <translation>{index} no es seguro (es http, no https), así que no se toma nada de él.</translation>
        </message>
        <message>
            <source>Write https:// where the index has it, or name its host as trusted-host in pip's configuration.</source>
            <translation>Escriba https:// si el índice lo tiene, o nombre su host como trusted-host en la configuración de pip.</translation>
        </message>
        <message>
            <source>The Python {python} is too old or too new for the packages.</source>
            <translation>El Python {python} es demasiado antiguo o demasiado nuevo para los paquetes.</translation>
        </message>
        <message>
            <source>Choose a Python from 3.10 to 3.14, or let uv bring one.</source>
            <translation>Elija un Python de 3.10 a 3.14, o deje que uv traiga uno.</translation>
        </message>
        <message>
            <source>{index} has no {package} for this Python and this system.</source>
            <translation>{index} no tiene {package} para este Python y este sistema.</translation>
        </message>
        <message>
            <source>Use another index or another Python; PyTorch comes from {torch}.</source>
            <translation>Use otro índice u otro Python; PyTorch viene de {torch}.</translation>
        </message>
        <message>
            <source>{index} refuses to give a package.</source>
            <translation>{index} se niega a dar un paquete.</translation>
        </message>
        <message>
            <source>Look at the index's address, its name and password under Advanced.</source>
            <translation>Revise en Avanzado la dirección del índice, su nombre y su contraseña.</translation>
        </message>
        <message>
            <source>The NVIDIA driver is too old for this PyTorch.</source>
            <translation>El controlador NVIDIA es demasiado antiguo para este PyTorch.</translation>
        </message>
        <message>
            <source>Update the driver, or set the engine up for the processor.</source>
            <translation>Actualice el controlador, o instale el motor para el procesador.</translation>
        </message>
        <message>
            <source>The graphics card has no memory free.</source>
            <translation>La tarjeta gráfica no tiene memoria libre.</translation>
        </message>
        <message>
            <source>PyTorch finds no NVIDIA graphics card that it can use.</source>
            <translation>PyTorch no encuentra ninguna tarjeta gráfica NVIDIA que pueda usar.</translation>
        </message>
        <message>
            <source>Install NVIDIA's driver, or set the engine up for the processor.</source>
            <translation>Instale el controlador de NVIDIA, o instale el motor para el procesador.</translation>
        </message>
        <message>
            <source>The wheel folder {wheels} lacks {package} for this Python and this system.</source>
            <translation>En la carpeta de wheels {wheels} falta, para este Python y este sistema: {package}.</translation>
        </message>
        <message>
            <source>Fill it with make wheelhouse for this system and this Python, then try again.</source>
            <translation>Llénela con make wheelhouse para este sistema y este Python, y vuelva a intentarlo.</translation>
        </message>
        <message>
            <source>The set-up stopped: {last}</source>
            <translation>La instalación se detuvo: {last}</translation>
        </message>
        <message>
            <source>The log tells more; Copy Diagnostics takes it along.</source>
            <translation>El registro dice más; Copiar diagnóstico lo incluye.</translation>
        </message>
        <message>
            <source>no reason was given.</source>
            <translation>no se dio ninguna razón.</translation>
        </message>
        <message>
            <source>The Python {} is not there any more.</source>
            <translation>El Python {} ya no está.</translation>
        </message>
        <message>
            <source>that uv brought</source>
            <translation>que trajo uv</translation>
        </message>
        <message>
            <source>a package</source>
            <translation>un paquete</translation>
        </message>
        <message>
            <source>Wait until it has ended, or cancel it there.</source>
            <translation>Espere hasta que termine, o cancélelo allí.</translation>
        </message>
        <message>
            <source>What was fetched is kept for the next time.</source>
            <translation>Lo descargado se conserva para la próxima vez.</translation>
        </message>
        <message>
            <source>{} does not answer like a Python.</source>
            <translation>{} no responde como un Python.</translation>
        </message>
        <message>
            <source>{python} cannot be used: {reason}.</source>
            <translation>{python} no se puede usar: {reason}.</translation>
        </message>
        <message>
            <source>{} was not made by Set Up Engine…; remove it yourself.</source>
            <translation>{} no fue creado por Instalar el motor…; elimínelo usted mismo.</translation>
        </message>
        <message>
            <source>Wait until it has ended.</source>
            <translation>Espere hasta que termine.</translation>
        </message>
        <message>
            <source>{path} could not be removed: {reason}.</source>
            <translation>{path} no se pudo eliminar: {reason}.</translation>
        </message>
        <message>
            <source>Another QGIS is setting up the engine in {}.</source>
            <translation>Otro QGIS está instalando el motor en {}.</translation>
        </message>
        <message>
            <source>This machine has an {card} ({memory}), driver {driver}.</source>
            <translation>Esta máquina tiene una {card} ({memory}), controlador {driver}.</translation>
        </message>
        <message>
            <source>This is an Apple machine with a GPU of its own.</source>
            <translation>Esta es una máquina Apple con GPU propia.</translation>
        </message>
        <message>
            <source>No NVIDIA graphics card with a working driver was found.</source>
            <translation>No se encontró ninguna tarjeta gráfica NVIDIA con un controlador que funcione.</translation>
        </message>
        <message>
            <source>it is {}, not CPython</source>
            <translation>es {}, no CPython</translation>
        </message>
        <message>
            <source>it is a {}-bit Python</source>
            <translation>es un Python de {} bits</translation>
        </message>
        <message>
            <source>Python {number} is too old; {oldest} to {newest} will do</source>
            <translation>Python {number} es demasiado antiguo; sirven de {oldest} a {newest}</translation>
        </message>
        <message>
            <source>Python {number} is too new; {oldest} to {newest} will do</source>
            <translation>Python {number} es demasiado nuevo; sirven de {oldest} a {newest}</translation>
        </message>
        <message>
            <source>it lacks venv or ensurepip (on Debian and Ubuntu: install python3-venv)</source>
            <translation>le falta venv o ensurepip (en Debian y Ubuntu: instalar python3-venv)</translation>
        </message>
        <message>
            <source>The whole engine: pretraining, training, classification and assessment.</source>
            <translation>El motor completo: preentrenamiento, entrenamiento, clasificación y evaluación.</translation>
        </message>
        <message>
            <source>Classification and assessment with models that others trained; no training.</source>
            <translation>Clasificación y evaluación con modelos que otros entrenaron; sin entrenamiento.</translation>
        </message>
        <message>
            <source>Computes on the processor.</source>
            <translation>Calcula en el procesador.</translation>
        </message>
        <message>
            <source>Computes on NVIDIA graphics cards.</source>
            <translation>Calcula en tarjetas gráficas NVIDIA.</translation>
        </message>
        <message>
            <source>Computes on the Apple GPU.</source>
            <translation>Calcula en la GPU Apple.</translation>
        </message>
        <message>
            <source>Exported classifiers (.onnx) are mapped on the processor: on NVIDIA cards that takes Python 3.11 or newer.</source>
            <translation>Los clasificadores exportados (.onnx) cartografían en el procesador: en tarjetas NVIDIA hace falta Python 3.11 o posterior.</translation>
        </message>
        <message>
            <source>From the folder {}; no network is used.</source>
            <translation>Desde la carpeta {}; no se usa la red.</translation>
        </message>
        <message>
            <source>Fetches about {size} from {hosts}.</source>
            <translation>Descarga unos {size} de {hosts}.</translation>
        </message>
        <message>
            <source>Takes about {size} in {folder}; {free} are free there.</source>
            <translation>Ocupa unos {size} en {folder}; allí hay {free} libres.</translation>
        </message>
        <message>
            <source>PyTorch comes on top of that; its size was not measured.</source>
            <translation>A eso se suma PyTorch; su tamaño no se midió.</translation>
        </message>
        <message>
            <source>QGIS's own Python stays as it is.</source>
            <translation>El Python de QGIS queda como está.</translation>
        </message>
        <message>
            <source>The engine that is there stays until the new one has passed its check.</source>
            <translation>El motor actual se queda hasta que el nuevo haya pasado su comprobación.</translation>
        </message>
        <message>
            <source>{first} and {last}</source>
            <translation>{first} y {last}</translation>
        </message>
        <message>
            <source>uv, which is fetched first</source>
            <translation>uv, que se descarga primero</translation>
        </message>
        <message>
            <source>Installed by {tool}; it brings a Python {version} of its own.</source>
            <translation>Instalado con {tool}; trae su propio Python {version}.</translation>
        </message>
        <message>
            <source>Built from {python} by {tool}.</source>
            <translation>Construido a partir de {python} con {tool}.</translation>
        </message>
        <message>
            <source>The wheel folder {} holds no wheels (.whl). Choose the folder that make wheelhouse filled, or leave it empty to use the network.</source>
            <translation>La carpeta de wheels {} no contiene wheels (.whl). Elija la carpeta que llenó make wheelhouse, o deje el campo vacío para usar la red.</translation>
        </message>
        <message>
            <source>The disk of {folder} has {free} free; {needed} are needed. Free some space, or choose a folder on another disk.</source>
            <translation>El disco de {folder} tiene {free} libres; se necesitan {needed}. Libere espacio, o elija una carpeta en otro disco.</translation>
        </message>
        <message>
            <source>CPU</source>
            <translation>CPU</translation>
        </message>
        <message>
            <source>NVIDIA GPU</source>
            <translation>GPU NVIDIA</translation>
        </message>
        <message>
            <source>Apple GPU</source>
            <translation>GPU Apple</translation>
        </message>
        <message>
            <source>There are no ready-made packages for {system} on {machine}. Set the engine up on another machine, or choose an interpreter that has the packages.</source>
            <translation>No hay paquetes listos para {system} en {machine}. Instale el motor en otra máquina, o elija un intérprete que tenga los paquetes.</translation>
        </message>
        <message>
            <source>There is no PyTorch for the device {device} on {system}. Choose the processor.</source>
            <translation>No hay PyTorch para el dispositivo {device} en {system}. Elija el procesador.</translation>
        </message>
        <message>
            <source>The NVIDIA driver {driver} is too old for these packages, which need {least} or newer. Update the driver, or choose the processor.</source>
            <translation>El controlador NVIDIA {driver} es demasiado antiguo para estos paquetes, que necesitan {least} o posterior. Actualice el controlador o elija el procesador.</translation>
        </message>
        <message>
            <source>Mapping exported classifiers on NVIDIA cards takes Python 3.11 or newer; {python} is {version}. Choose another Python under Advanced, or the processor.</source>
            <translation>Aplicar clasificadores exportados en tarjetas NVIDIA requiere Python 3.11 o posterior; {python} es {version}. Elija otro Python en las opciones avanzadas, o el procesador.</translation>
        </message>
        <message>
            <source>No Python was found that the engine can be built from ({found}). Install Python {version} from python.org or your distribution, then try again.</source>
            <translation>No se encontró ningún Python a partir del cual construir el motor ({found}). Instale Python {version} desde python.org o su distribución, y vuelva a intentarlo.</translation>
        </message>
        <message>
            <source>none at all</source>
            <translation>ninguno</translation>
        </message>
        <message>
            <source>{} lies inside the plugin, which an update of the plugin deletes. Choose a folder outside it.</source>
            <translation>{} está dentro del complemento, que se borra al actualizarlo. Elija una carpeta fuera de él.</translation>
        </message>
        <message>
            <source>The path {folder} is too long: files inside it would have {length} characters, {most} are possible. Choose a shorter one.</source>
            <translation>La ruta {folder} es demasiado larga: los archivos dentro tendrían {length} caracteres, y caben {most}. Elija una más corta.</translation>
        </message>
        <message>
            <source>{} is a file. Choose a folder.</source>
            <translation>{} es un archivo. Elija una carpeta.</translation>
        </message>
        <message>
            <source>The folder {} holds other files, which would be replaced. Choose an empty or a new folder.</source>
            <translation>La carpeta {} contiene otros archivos, que serían reemplazados. Elija una carpeta vacía o nueva.</translation>
        </message>
        <message>
            <source>The folder {} may not be written by you. Choose another folder.</source>
            <translation>No tiene permiso para escribir en la carpeta {}. Elija otra carpeta.</translation>
        </message>
        <message>
            <source>Found the training polygons {}; nothing says of which scene they are.</source>
            <translation>Se encontraron los polígonos de entrenamiento {}; nada indica de qué escena son.</translation>
        </message>
        <message>
            <source>{} (earlier)</source>
            <translation>{} (anterior)</translation>
        </message>
        <message>
            <source>'{}' cannot be the name of a file.</source>
            <translation>'{}' no puede ser el nombre de un archivo.</translation>
        </message>
        <message>
            <source>There is a file {} already; choose another name.</source>
            <translation>Ya hay un archivo {}; elija otro nombre.</translation>
        </message>
        <message>
            <source>{} is not a model of MTMSD.</source>
            <translation>{} no es un modelo de MTMSD.</translation>
        </message>
        <message>
            <source>Set to {shown}, its file says {written}: set the layer back, or the file right (Assign Projection), else polygons lie elsewhere for the engine, which reads the file.</source>
            <translation>Definido como {shown}, su archivo dice {written}: restablezca la capa o corrija el archivo (Asignar proyección); si no, los polígonos están en otro lugar para el motor, que lee el archivo.</translation>
        </message>
        <message>
            <source>none</source>
            <translation>ninguno</translation>
        </message>
        <message>
            <source>There is no folder to write to: {} cannot be created.</source>
            <translation>No hay carpeta donde escribir: no se puede crear {}.</translation>
        </message>
        <message>
            <source>{} holds no classes.</source>
            <translation>{} no contiene clases.</translation>
        </message>
        <message>
            <source>number</source>
            <translation>número</translation>
        </message>
        <message>
            <source>name</source>
            <translation>nombre</translation>
        </message>
        <message>
            <source>{file} has the {what} {value} twice.</source>
            <translation>{file} tiene dos veces el {what} {value}.</translation>
        </message>
        <message>
            <source>{} needs the columns value, name and colour.</source>
            <translation>{} necesita las columnas value, name y color.</translation>
        </message>
        <message>
            <source>line {}</source>
            <translation>línea {}</translation>
        </message>
        <message>
            <source>{}, {}: a cell is missing.</source>
            <translation>{}, {}: falta una celda.</translation>
        </message>
        <message>
            <source>{file}, {place}: '{value}' is no class number from 1 to {most}.</source>
            <translation>{file}, {place}: '{value}' no es un número de clase de 1 a {most}.</translation>
        </message>
        <message>
            <source>{file}, {place}: '{color}' is no colour; write it like #1a7837.</source>
            <translation>{file}, {place}: '{color}' no es un color; escríbalo como #1a7837.</translation>
        </message>
        <message>
            <source>class {}</source>
            <translation>clase {}</translation>
        </message>
        <message>
            <source>{} is no style of QGIS.</source>
            <translation>{} no es un estilo de QGIS.</translation>
        </message>
        <message>
            <source>{} is a style of another kind: it has neither categories nor a palette.</source>
            <translation>{} es un estilo de otro tipo: no tiene ni categorías ni paleta.</translation>
        </message>
        <message>
            <source>{} cannot be written: {}.</source>
            <translation>{} no se puede escribir: {}.</translation>
        </message>
        <message>
            <source>{} cannot be read: {}.</source>
            <translation>No se puede leer {}: {}.</translation>
        </message>
        <message>
            <source>The imported spectra in {} are of other bands; import them again.</source>
            <translation>Los espectros importados en {} son de otras bandas; impórtelos de nuevo.</translation>
        </message>
        <message>
            <source>{} cannot be written, so unsaved polygons were not recovered.</source>
            <translation>{} no se puede escribir, así que no se recuperaron polígonos sin guardar.</translation>
        </message>
        <message>
            <source>{path} cannot be written: {reason}.</source>
            <translation>{path} no se puede escribir: {reason}.</translation>
        </message>
        <message>
            <source>The field '{field}' of '{layer}' holds the class {value}; classes are whole numbers from 1 to {most}. Choose another field, or renumber them.</source>
            <translation>El campo '{field}' de '{layer}' contiene la clase {value}; las clases son números enteros de 1 a {most}. Elija otro campo o renumere las clases.</translation>
        </message>
        <message>
            <source>{} has more than {} values; it holds no classes.</source>
            <translation>{} tiene más de {} valores; no contiene clases.</translation>
        </message>
        <message>
            <source>{} has {} regions, too many to be edited as polygons; train with the raster itself, in the Processing Toolbox.</source>
            <translation>{} tiene {} regiones, demasiadas para editarlas como polígonos; entrene con el propio ráster en la caja de herramientas de procesos.</translation>
        </message>
        <message>
            <source>{} is in a folder that cannot be written, so its polygons are read-only.</source>
            <translation>{} está en una carpeta en la que no se puede escribir, así que sus polígonos son de solo lectura.</translation>
        </message>
        <message>
            <source>Another QGIS (process {pid} on {host}) edits {file}; here its polygons are read-only. If that QGIS is gone, delete {lock}.</source>
            <translation>Otro QGIS (proceso {pid} en {host}) está editando {file}; aquí sus polígonos son de solo lectura. Si ese QGIS ya no está en marcha, borre {lock}.</translation>
        </message>
        <message>
            <source>{layer} cannot be brought from its coordinate system, {own}, to the scene's, {scene}; check both.</source>
            <translation>{layer} no se puede llevar de su sistema de coordenadas, {own}, al de la escena, {scene}; revise ambos.</translation>
        </message>
        <message>
            <source>The coordinate system of {}, {}, is of no place; the scene's was taken.</source>
            <translation>El sistema de coordenadas de {}, {}, no corresponde a ningún lugar; se tomó el de la escena.</translation>
        </message>
        <message>
            <source>{} has no coordinate system; the scene's was taken.</source>
            <translation>{} no tiene sistema de coordenadas; se tomó el de la escena.</translation>
        </message>
        <message>
            <source>Without a place in the scene's coordinate system, not taken: {}</source>
            <translation>Sin lugar en el sistema de coordenadas de la escena, no se tomaron: {}</translation>
        </message>
        <message>
            <source>{} cannot be read.</source>
            <translation>{} no se puede leer.</translation>
        </message>
        <message>
            <source>{} is not written; choose .csv, .sli or .gpkg.</source>
            <translation>{} no tiene un formato admitido; elija .csv, .sli o .gpkg.</translation>
        </message>
        <message>
            <source>{} cannot be opened as training polygons.</source>
            <translation>{} no se puede abrir como polígonos de entrenamiento.</translation>
        </message>
        <message>
            <source>No class</source>
            <translation>Sin clase</translation>
        </message>
    </context>
    <context>
        <name>MapLegend</name>
        <message>
            <source>Class</source>
            <translation>Clase</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Píxeles</translation>
        </message>
        <message>
            <source>Area</source>
            <translation>Área</translation>
        </message>
        <message>
            <source>Pixels and area of each class in the map; right click: hide it, its opacity</source>
            <translation>Píxeles y área de cada clase en el mapa; clic derecho: ocultarla, su opacidad</translation>
        </message>
        <message>
            <source>The map has a style of your own, without classes.</source>
            <translation>El mapa tiene un estilo propio de usted, sin clases.</translation>
        </message>
        <message>
            <source>Show the class in the map; its opacity: {}</source>
            <translation>Mostrar la clase en el mapa; su opacidad: {}</translation>
        </message>
        <message>
            <source>Hide the Class</source>
            <translation>Ocultar la clase</translation>
        </message>
        <message>
            <source>Show the Class</source>
            <translation>Mostrar la clase</translation>
        </message>
        <message>
            <source>Show Only This Class</source>
            <translation>Mostrar solo esta clase</translation>
        </message>
        <message>
            <source>Show All Classes</source>
            <translation>Mostrar todas las clases</translation>
        </message>
        <message>
            <source>Opacity {}</source>
            <translation>Opacidad {}</translation>
        </message>
    </context>
    <context>
        <name>MapOptions</name>
        <message>
            <source>Stack of several</source>
            <translation>Stacking de varios</translation>
        </message>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>Support vector machine</source>
            <translation>Máquina de vectores de soporte</translation>
        </message>
        <message>
            <source>SVM, tuned by polygons</source>
            <translation>SVM, ajustada por polígonos</translation>
        </message>
        <message>
            <source>Random forest</source>
            <translation>Bosque aleatorio</translation>
        </message>
        <message>
            <source>Another classifier, and filters for the finished map</source>
            <translation>Otro clasificador, y filtros para el mapa terminado</translation>
        </message>
        <message>
            <source>spectra and surroundings</source>
            <translation>espectros y entorno</translation>
        </message>
        <message>
            <source>spectra only</source>
            <translation>solo espectros</translation>
        </message>
        <message>
            <source>The stack listens to several classifiers, and to MTMSD once the scene is pretrained; MTMSD alone learns from spectra and their surroundings on the pretrained model; the others see spectra only. All but MTMSD need no model and take seconds without one</source>
            <translation>El stacking escucha a varios clasificadores, y a MTMSD en cuanto la escena está preentrenada; MTMSD solo aprende de los espectros y su entorno sobre el modelo preentrenado; los demás solo ven espectros. Todos menos MTMSD prescinden de modelo y entonces tardan segundos</translation>
        </message>
        <message>
            <source>Rare classes matter</source>
            <translation>Priorizar clases raras</translation>
        </message>
        <message>
            <source>Classes of few training pixels are found more often, at the cost of the large ones: a higher average accuracy, a little less overall accuracy</source>
            <translation>Las clases con pocos píxeles de entrenamiento se encuentran más a menudo, a costa de las grandes: mayor exactitud media, algo menos de exactitud global</translation>
        </message>
        <message>
            <source> %</source>
            <translation> %</translation>
        </message>
        <message>
            <source>Pixels of lower confidence get a class of their own, 'unknown'</source>
            <translation>Los píxeles de menor confianza reciben una clase propia, 'unknown'</translation>
        </message>
        <message>
            <source>Off</source>
            <translation>No</translation>
        </message>
        <message>
            <source>{0} × {0} px</source>
            <translation>{0} × {0} px</translation>
        </message>
        <message>
            <source>Each pixel gets the most frequent class of the square around it</source>
            <translation>Cada píxel recibe la clase más frecuente del cuadrado a su alrededor</translation>
        </message>
        <message>
            <source> px</source>
            <translation> px</translation>
        </message>
        <message>
            <source>Minimum mapping unit: smaller regions join their largest neighbour</source>
            <translation>Unidad mínima cartografiable: las regiones menores se unen a su mayor vecina</translation>
        </message>
        <message>
            <source>By the polygons</source>
            <translation>Según los polígonos</translation>
        </message>
        <message>
            <source>Side of the squares in which regions with true edges begin</source>
            <translation>Lado de los cuadrados de los que parten las regiones con bordes reales</translation>
        </message>
        <message>
            <source>Unknown below</source>
            <translation>Desconocido por debajo de</translation>
        </message>
        <message>
            <source>Smooth by majority</source>
            <translation>Suavizar</translation>
        </message>
        <message>
            <source>Smallest region</source>
            <translation>Región mínima</translation>
        </message>
        <message>
            <source>Size of regions</source>
            <translation>Tamaño de las regiones</translation>
        </message>
        <message>
            <source>rare classes</source>
            <translation>clases raras</translation>
        </message>
        <message>
            <source>filters</source>
            <translation>filtros</translation>
        </message>
        <message>
            <source>More</source>
            <translation>Más</translation>
        </message>
    </context>
    <context>
        <name>MapProducts</name>
        <message>
            <source>Polygoni&amp;ze</source>
            <translation>Poligonizar</translation>
        </message>
        <message>
            <source>Regions with True E&amp;dges</source>
            <translation>Regiones con borde&amp;s reales</translation>
        </message>
        <message>
            <source>Where to Label Ne&amp;xt</source>
            <translation>Dónde eti&amp;quetar ahora</translation>
        </message>
        <message>
            <source>The map's regions with class, area and confidence, as a GeoPackage</source>
            <translation>Las regiones del mapa con clase, área y confianza, como GeoPackage</translation>
        </message>
        <message>
            <source>Regions that are learnt with their classes from the training polygons, with the share of each class, and what they cost beside this map</source>
            <translation>Regiones que se aprenden junto con sus clases de los polígonos de entrenamiento, con la parte de cada clase y lo que cuestan frente a este mapa</translation>
        </message>
        <message>
            <source>20 places in doubt, spread over the scene, to be labelled</source>
            <translation>20 lugares dudosos, repartidos por la escena, para etiquetar</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Primero va Cartografiar.</translation>
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation>Dibuje primero polígonos de entrenamiento.</translation>
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation>El archivo del clasificador ya no está; pulse otra vez Cartografiar.</translation>
        </message>
        <message>
            <source>Outlining the map's regions</source>
            <translation>Trazando las regiones del mapa</translation>
        </message>
        <message>
            <source>Learning regions with true edges</source>
            <translation>Aprendiendo regiones con bordes reales</translation>
        </message>
        <message>
            <source>Looking for places to label</source>
            <translation>Buscando lugares para etiquetar</translation>
        </message>
        <message>
            <source>Mapping with probabilities</source>
            <translation>Cartografiando con probabilidades</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polígonos</translation>
        </message>
        <message>
            <source>{polygons} outline the map's regions: {file}</source>
            <translation>{polygons} que delimitan las regiones del mapa: {file}</translation>
        </message>
        <message>
            <source>Class map of the regions</source>
            <translation>Mapa de clases de las regiones</translation>
        </message>
        <message>
            <source>Regions with true edges</source>
            <translation>Regiones con bordes reales</translation>
        </message>
        <message>
            <source>{count} regions with true edges.</source>
            <translation>{count} regiones con bordes reales.</translation>
        </message>
        <message>
            <source>Held-out pixels that have the class of their region: {overall}; at best, with these regions: {achievable}.</source>
            <translation>Píxeles reservados que tienen la clase de su región: {overall}; como máximo, con estas regiones: {achievable}.</translation>
        </message>
        <message>
            <source>The map of single pixels: {}.</source>
            <translation>El mapa de píxeles sueltos: {}.</translation>
        </message>
        <message>
            <source>Report: {}</source>
            <translation>Informe: {}</translation>
        </message>
        <message>
            <source>Points to label</source>
            <translation>Puntos para etiquetar</translation>
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation>{} no se puede abrir como capa vectorial.</translation>
        </message>
    </context>
    <context>
        <name>MapSection</name>
        <message>
            <source>6  Map</source>
            <translation>6  Mapa</translation>
        </message>
        <message>
            <source>Previe&amp;w</source>
            <translation>&amp;Vista previa</translation>
        </message>
        <message>
            <source>&amp;Map Scene</source>
            <translation>&amp;Cartografiar</translation>
        </message>
        <message>
            <source>Map what the map window shows, as a temporary layer</source>
            <translation>Cartografiar lo que muestra la ventana del mapa, como capa temporal</translation>
        </message>
        <message>
            <source>Map the whole raster into a GeoTIFF, with its confidence</source>
            <translation>Cartografiar todo el ráster en un GeoTIFF, con su confianza</translation>
        </message>
        <message>
            <source>Models…</source>
            <translation>Modelos…</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Elija primero una escena.</translation>
        </message>
        <message>
            <source>What was learned: look, use, rename, export, delete, free disk space</source>
            <translation>Lo aprendido: ver, usar, renombrar, exportar, suprimir, hacer sitio en el disco</translation>
        </message>
        <message>
            <source>Polygons or classifier have changed since {}.</source>
            <translation>Los polígonos o el clasificador han cambiado desde {}.</translation>
        </message>
        <message>
            <source>The filters have changed since {}.</source>
            <translation>Los filtros han cambiado desde {}.</translation>
        </message>
        <message>
            <source>Map: {}</source>
            <translation>Mapa: {}</translation>
        </message>
        <message>
            <source>Ready to map.</source>
            <translation>Listo para cartografiar.</translation>
        </message>
        <message>
            <source>Ready for a first map, without pretraining.</source>
            <translation>Listo para un primer mapa, sin preentrenamiento.</translation>
        </message>
        <message>
            <source>From a library alone: {}.</source>
            <translation>Solo de una biblioteca: {}.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Esperando las bandas del ráster.</translation>
        </message>
        <message>
            <source>Pretrain the scene first, or choose another classifier under More.</source>
            <translation>Preentrene primero la escena, o elija otro clasificador en Más.</translation>
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation>Dibuje primero polígonos de entrenamiento.</translation>
        </message>
        <message>
            <source>The classifier MTMSD cannot learn spectra; choose another under More, or use none of them for training.</source>
            <translation>El clasificador MTMSD no puede aprender espectros; elija otro en Más o no use ninguno de ellos para entrenar.</translation>
        </message>
        <message>
            <source>Draw polygons of at least two classes.</source>
            <translation>Dibuje polígonos de al menos dos clases.</translation>
        </message>
        <message>
            <source>Draw more of {}: each class needs {} pixels.</source>
            <translation>Dibuje más de {}: cada clase necesita {} píxeles.</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Espere hasta que termine el trabajo en marcha.</translation>
        </message>
        <message>
            <source>The map window shows no part of the scene; zoom to it first.</source>
            <translation>La ventana del mapa no muestra nada de la escena; acérquese primero a ella.</translation>
        </message>
        <message>
            <source>Learning the classes</source>
            <translation>Aprendiendo las clases</translation>
        </message>
        <message>
            <source>Mapping the view</source>
            <translation>Cartografiando la vista</translation>
        </message>
        <message>
            <source>Mapping the scene</source>
            <translation>Cartografiando la escena</translation>
        </message>
        <message>
            <source>Canceled; nothing was changed.</source>
            <translation>Cancelado; no se cambió nada.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Mapa de clases</translation>
        </message>
        <message>
            <source>Preview</source>
            <translation>Vista previa</translation>
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation>{} no se puede abrir como ráster.</translation>
        </message>
    </context>
    <context>
        <name>MapView</name>
        <message>
            <source>What the map was made with</source>
            <translation>Con qué se hizo el mapa</translation>
        </message>
        <message>
            <source>Opacity of the map over the scene</source>
            <translation>Opacidad del mapa sobre la escena</translation>
        </message>
        <message>
            <source>Con&amp;fidence</source>
            <translation>Confian&amp;za</translation>
        </message>
        <message>
            <source>Map Scene writes the confidence too.</source>
            <translation>Cartografiar escribe también la confianza.</translation>
        </message>
        <message>
            <source>Opacit&amp;y</source>
            <translation>&amp;Opacidad</translation>
        </message>
        <message>
            <source>Show how sure the classifier is, from 0 to 1</source>
            <translation>Mostrar cuán seguro está el clasificador, de 0 a 1</translation>
        </message>
        <message>
            <source>Confidence</source>
            <translation>Confianza</translation>
        </message>
    </context>
    <context>
        <name>MaskRow</name>
        <message>
            <source>No mask</source>
            <translation>Sin máscara</translation>
        </message>
        <message>
            <source>Clouds, shadow, water to leave out: polygons, a raster on the scene's grid (all but 0), or the masks that come with a scene of EnMAP, EMIT or PRISMA</source>
            <translation>Nubes, sombra o agua que excluir: polígonos, un ráster en la cuadrícula de la escena (todo menos 0) o las máscaras que acompañan a una escena de EnMAP, EMIT o PRISMA</translation>
        </message>
        <message>
            <source>What of a raster mask is meant: bits=10,11 or values=3,8; empty: all but 0</source>
            <translation>Qué se toma de una máscara ráster: bits=10,11 o values=3,8; vacío: todo menos 0</translation>
        </message>
        <message>
            <source>A mask is remembered by its file, and the layer {} has none; save it as one.</source>
            <translation>Una máscara se recuerda por su archivo y la capa {} no tiene ninguno; guárdela en uno.</translation>
        </message>
        <message>
            <source>Masks of the product</source>
            <translation>Máscaras del producto</translation>
        </message>
    </context>
    <context>
        <name>MatrixView</name>
        <message>
            <source>Map</source>
            <translation>Mapa</translation>
        </message>
        <message>
            <source>Reference</source>
            <translation>Referencia</translation>
        </message>
        <message>
            <source>{} pixels of {} are mapped as {}</source>
            <translation>{} píxeles de {} están cartografiados como {}</translation>
        </message>
    </context>
    <context>
        <name>ModelsDialog</name>
        <message>
            <source>Models of {}</source>
            <translation>Modelos de {}</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Nombre</translation>
        </message>
        <message>
            <source>Kind</source>
            <translation>Tipo</translation>
        </message>
        <message>
            <source>Size</source>
            <translation>Tamaño</translation>
        </message>
        <message>
            <source>Date</source>
            <translation>Fecha</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Escena</translation>
        </message>
        <message>
            <source>&amp;Use</source>
            <translation>&amp;Usar</translation>
        </message>
        <message>
            <source>Re&amp;name…</source>
            <translation>&amp;Renombrar…</translation>
        </message>
        <message>
            <source>E&amp;xport…</source>
            <translation>&amp;Exportar…</translation>
        </message>
        <message>
            <source>&amp;Delete…</source>
            <translation>&amp;Borrar…</translation>
        </message>
        <message>
            <source>&amp;Free Disk Space…</source>
            <translation>&amp;Liberar espacio…</translation>
        </message>
        <message>
            <source>In use for {}.</source>
            <translation>En uso para {}.</translation>
        </message>
        <message>
            <source>No model is selected.</source>
            <translation>No hay ningún modelo seleccionado.</translation>
        </message>
        <message>
            <source>Select a model.</source>
            <translation>Seleccione un modelo.</translation>
        </message>
        <message>
            <source>Map the scene with this classifier now</source>
            <translation>Cartografiar ahora la escena con este clasificador</translation>
        </message>
        <message>
            <source>Take this diffusion model for the scene</source>
            <translation>Tomar este modelo de difusión para la escena</translation>
        </message>
        <message>
            <source>Give the file another name</source>
            <translation>Dar otro nombre al archivo</translation>
        </message>
        <message>
            <source>Copy the file; one with a network also as ONNX</source>
            <translation>Copiar el archivo; si tiene una red, también como ONNX</translation>
        </message>
        <message>
            <source>Delete the file, after a question</source>
            <translation>Suprimir el archivo, previa pregunta</translation>
        </message>
        <message>
            <source>The scene has no folder yet.</source>
            <translation>La escena aún no tiene carpeta.</translation>
        </message>
        <message>
            <source>Delete earlier maps, reports and checkpoints of this scene that nothing shows or needs any more, after a question; models and polygons stay</source>
            <translation>Suprimir, previa pregunta, mapas, informes y puntos de control anteriores de esta escena que ya nada muestra ni necesita; los modelos y los polígonos quedan</translation>
        </message>
        <message>
            <source>Rename Model</source>
            <translation>Renombrar modelo</translation>
        </message>
        <message>
            <source>Delete {}? This cannot be undone.</source>
            <translation>¿Suprimir {}? No se puede deshacer.</translation>
        </message>
        <message>
            <source>MTMSD model (*.safetensors)</source>
            <translation>Modelo de MTMSD (*.safetensors)</translation>
        </message>
        <message>
            <source>ONNX (*.onnx)</source>
            <translation>ONNX (*.onnx)</translation>
        </message>
        <message>
            <source>Export Model</source>
            <translation>Exportar modelo</translation>
        </message>
        <message>
            <source>{} is the file itself; choose another.</source>
            <translation>{} es el propio archivo; elija otro.</translation>
        </message>
        <message>
            <source>The model was saved to {}.</source>
            <translation>El modelo se guardó en {}.</translation>
        </message>
        <message>
            <source>{} is no classifier with a diffusion network; only those are written as ONNX. Export it as .safetensors.</source>
            <translation>{} no es un clasificador con red de difusión; solo esos se escriben como ONNX. Expórtelo como .safetensors.</translation>
        </message>
        <message>
            <source>Exporting {}</source>
            <translation>Exportando {}</translation>
        </message>
        <message>
            <source>The classifier was exported to {}.</source>
            <translation>El clasificador se exportó a {}.</translation>
        </message>
        <message>
            <source>Nothing to delete: all files of {} are needed.</source>
            <translation>Nada que suprimir: todos los archivos de {} se necesitan.</translation>
        </message>
        <message>
            <source>Files of earlier maps: {count}, {size}. Delete them? Neither this project nor the scene needs them; another project that shows them loses them. This cannot be undone.</source>
            <translation>Archivos de mapas anteriores: {count}, {size}. ¿Suprimirlos? Ni este proyecto ni la escena los necesitan; otro proyecto que los muestre los perderá. No se puede deshacer.</translation>
        </message>
        <message>
            <source>{} are free now.</source>
            <translation>Se han liberado {}.</translation>
        </message>
        <message>
            <source>A job works in {}; wait until it has ended.</source>
            <translation>Hay un trabajo en marcha en {}; espere hasta que termine.</translation>
        </message>
        <message>
            <source>Delete</source>
            <translation>Suprimir</translation>
        </message>
    </context>
    <context>
        <name>MoreSettings</name>
        <message>
            <source>More settings</source>
            <translation>Más ajustes</translation>
        </message>
        <message>
            <source>Seldom needed; the Processing help lists every number</source>
            <translation>Rara vez hace falta; la ayuda de Procesos da cada número</translation>
        </message>
        <message>
            <source>The same seed on the same machine gives the same map</source>
            <translation>La misma semilla en el mismo equipo da el mismo mapa</translation>
        </message>
        <message>
            <source>Bands to leave out besides the bad ones that are found</source>
            <translation>Bandas que excluir además de las malas que se hallan</translation>
        </message>
        <message>
            <source>Single numbers of the preset, as KEY=VALUE</source>
            <translation>Números sueltos del preajuste, como KEY=VALUE</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Semilla</translation>
        </message>
        <message>
            <source>Leave &amp;out</source>
            <translation>E&amp;xcluir</translation>
        </message>
        <message>
            <source>Num&amp;bers</source>
            <translation>Nú&amp;meros</translation>
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
            <translation>elegir un ráster hiperespectral o abrir uno.</translation>
        </message>
        <message>
            <source>learn the scene without labels, in the background.</source>
            <translation>aprender la escena sin etiquetas, en segundo plano.</translation>
        </message>
        <message>
            <source>add classes, or take them from a layer.</source>
            <translation>añadir clases o tomarlas de una capa.</translation>
        </message>
        <message>
            <source>draw some polygons of each class.</source>
            <translation>dibujar algunos polígonos de cada clase.</translation>
        </message>
        <message>
            <source>see whether the classes can be told apart.</source>
            <translation>ver si las clases se distinguen entre sí.</translation>
        </message>
        <message>
            <source>preview what you see, then map the scene.</source>
            <translation>previsualizar lo visible y luego cartografiar la escena.</translation>
        </message>
        <message>
            <source>how far the map can be trusted.</source>
            <translation>hasta qué punto es fiable el mapa.</translation>
        </message>
        <message>
            <source>No browser opens the page; it is {}.</source>
            <translation>Ningún navegador abre la página; está en {}.</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>El motor está listo.</translation>
        </message>
        <message>
            <source>{} came to its end while QGIS was closed.</source>
            <translation>{} terminó mientras QGIS estaba cerrado.</translation>
        </message>
        <message>
            <source>{} is done after {}.</source>
            <translation>{} ha terminado tras {}.</translation>
        </message>
        <message>
            <source>{} was removed; the running job goes on with its file.</source>
            <translation>Se quitó {}; el trabajo en marcha continúa con su archivo.</translation>
        </message>
    </context>
    <context>
        <name>OtherScenes</name>
        <message>
            <source>Map Other Scenes…</source>
            <translation>Cartografiar otras escenas…</translation>
        </message>
        <message>
            <source>Map layers, files or the scenes of a folder with this scene's classifier</source>
            <translation>Cartografiar capas, archivos o las escenas de una carpeta con el clasificador de esta escena</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Primero va Cartografiar.</translation>
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation>El archivo del clasificador ya no está; pulse otra vez Cartografiar.</translation>
        </message>
        <message>
            <source>Mapping other scenes</source>
            <translation>Cartografiando otras escenas</translation>
        </message>
        <message>
            <source>Canceled; the finished maps are in {}. The same scenes and folder go on there.</source>
            <translation>Cancelado; los mapas terminados están en {}. Con las mismas escenas y la misma carpeta se continúa desde ahí.</translation>
        </message>
        <message>
            <source>Other scenes</source>
            <translation>Otras escenas</translation>
        </message>
        <message>
            <source>{count} of {all} scenes were mapped into {folder}.</source>
            <translation>Se cartografiaron {count} de {all} escenas en {folder}.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Mapa de clases</translation>
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation>{} no se puede abrir como ráster.</translation>
        </message>
    </context>
    <context>
        <name>OtherScenesDialog</name>
        <message>
            <source>Map Other Scenes</source>
            <translation>Cartografiar otras escenas</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Escena</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Bandas</translation>
        </message>
        <message>
            <source>Result</source>
            <translation>Resultado</translation>
        </message>
        <message>
            <source>Those with as many bands as the scene are ticked; tick or untick others.</source>
            <translation>Están marcadas las que tienen tantas bandas como la escena; marque o desmarque otras.</translation>
        </message>
        <message>
            <source>Gets a class map for each scene, of the scene's name</source>
            <translation>Recibe un mapa de clases por escena, con el nombre de la escena</translation>
        </message>
        <message>
            <source>One mosaic of all maps, for scenes on one grid</source>
            <translation>Un mosaico de todos los mapas, para escenas en una misma cuadrícula</translation>
        </message>
        <message>
            <source>Where maps overlap, their probabilities are blended.</source>
            <translation>Donde los mapas se solapan, se combinan sus probabilidades.</translation>
        </message>
        <message>
            <source>Leave out the clouds and shadows that products mark</source>
            <translation>Excluir las nubes y sombras que marcan los productos</translation>
        </message>
        <message>
            <source>Of scenes of EnMAP, EMIT or PRISMA</source>
            <translation>En escenas de EnMAP, EMIT o PRISMA</translation>
        </message>
        <message>
            <source>Folder of the maps</source>
            <translation>Carpeta de los mapas</translation>
        </message>
        <message>
            <source>Add Files…</source>
            <translation>Añadir archivos…</translation>
        </message>
        <message>
            <source>Add Folder…</source>
            <translation>Añadir carpeta…</translation>
        </message>
        <message>
            <source>Tick All</source>
            <translation>Marcar todas</translation>
        </message>
        <message>
            <source>Untick All</source>
            <translation>Desmarcar todas</translation>
        </message>
        <message>
            <source>Map Scenes</source>
            <translation>Cartografiar escenas</translation>
        </message>
        <message>
            <source>Cancel Job</source>
            <translation>Cancelar trabajo</translation>
        </message>
        <message>
            <source>Finished maps are kept</source>
            <translation>Los mapas terminados se conservan</translation>
        </message>
        <message>
            <source>Close</source>
            <translation>Cerrar</translation>
        </message>
        <message>
            <source>A job goes on without this window</source>
            <translation>El trabajo continúa sin esta ventana</translation>
        </message>
        <message>
            <source>Mapped: {}</source>
            <translation>Cartografiada: {}</translation>
        </message>
        <message>
            <source>Add Scenes</source>
            <translation>Añadir escenas</translation>
        </message>
        <message>
            <source>Add the Scenes of a Folder</source>
            <translation>Añadir las escenas de una carpeta</translation>
        </message>
        <message>
            <source>There is no raster in this folder.</source>
            <translation>No hay ningún ráster en esta carpeta.</translation>
        </message>
        <message>
            <source>Classifier: {}</source>
            <translation>Clasificador: {}</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Espere hasta que termine el trabajo en marcha.</translation>
        </message>
        <message>
            <source>Choose scenes: tick them in the list, or add files or a folder.</source>
            <translation>Elija escenas: márquelas en la lista o añada archivos o una carpeta.</translation>
        </message>
        <message>
            <source>Choose the folder of the maps.</source>
            <translation>Elija la carpeta de los mapas.</translation>
        </message>
        <message>
            <source>Map the ticked scenes with this classifier</source>
            <translation>Cartografiar las escenas marcadas con este clasificador</translation>
        </message>
    </context>
    <context>
        <name>PlanPage</name>
        <message>
            <source>Learns, trains, maps and assesses, with PyTorch</source>
            <translation>Aprende, entrena, cartografía y evalúa, con PyTorch</translation>
        </message>
        <message>
            <source>Classifies and assesses with models that others trained</source>
            <translation>Clasifica y evalúa con modelos que otros entrenaron</translation>
        </message>
        <message>
            <source>For which device the packages are installed</source>
            <translation>Para qué dispositivo se instalan los paquetes</translation>
        </message>
        <message>
            <source>Where the environment will lie; an update of the plugin does not touch it</source>
            <translation>Dónde estará el entorno; una actualización del complemento no lo toca</translation>
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation>D&amp;ispositivo</translation>
        </message>
        <message>
            <source>Fol&amp;der</source>
            <translation>&amp;Carpeta</translation>
        </message>
        <message>
            <source>An index of packages that replaces the ordinary one, PyTorch's too</source>
            <translation>Un índice de paquetes en lugar del habitual, también para PyTorch</translation>
        </message>
        <message>
            <source>http://user[:password]@host:port; empty: the one QGIS has</source>
            <translation>http://user[:password]@host:port; vacío: el de QGIS</translation>
        </message>
        <message>
            <source>A folder of wheels, for a machine without network; then none is used</source>
            <translation>Una carpeta de wheels, para un equipo sin red; entonces no se usa ninguna</translation>
        </message>
        <message>
            <source>The Python to build from, or that of an environment that has everything</source>
            <translation>El Python con el que construir, o el de un entorno que lo tiene todo</translation>
        </message>
        <message>
            <source>Advanced</source>
            <translation>Avanzado</translation>
        </message>
        <message>
            <source>&amp;Index URL</source>
            <translation>URL &amp;del índice</translation>
        </message>
        <message>
            <source>Pro&amp;xy</source>
            <translation>Pro&amp;xy</translation>
        </message>
        <message>
            <source>&amp;Wheel folder</source>
            <translation>Carpeta de &amp;wheels</translation>
        </message>
        <message>
            <source>P&amp;ython</source>
            <translation>P&amp;ython</translation>
        </message>
        <message>
            <source>the ordinary one</source>
            <translation>el habitual</translation>
        </message>
        <message>
            <source>none</source>
            <translation>ninguno</translation>
        </message>
        <message>
            <source>the best that is there</source>
            <translation>el mejor que haya</translation>
        </message>
        <message>
            <source>&amp;Everything</source>
            <translation>&amp;Todo</translation>
        </message>
        <message>
            <source>Classify &amp;only</source>
            <translation>S&amp;olo clasificar</translation>
        </message>
        <message>
            <source>{} (≈ {})</source>
            <translation>{} (≈ {})</translation>
        </message>
        <message>
            <source>Looking at this machine…</source>
            <translation>Examinando este equipo…</translation>
        </message>
        <message>
            <source>{} (Python {}) has all the engine's libraries already: nothing is installed.</source>
            <translation>{} (Python {}) ya tiene todas las bibliotecas del motor: no se instala nada.</translation>
        </message>
    </context>
    <context>
        <name>PolygonsSection</name>
        <message>
            <source>4  Polygons</source>
            <translation>4  Polígonos</translation>
        </message>
        <message>
            <source>Draw a polygon; right or double click ends it</source>
            <translation>Dibujar un polígono; el clic derecho o el doble clic lo termina</translation>
        </message>
        <message>
            <source>Drag a rectangle</source>
            <translation>Arrastrar un rectángulo</translation>
        </message>
        <message>
            <source>Drag an outline freehand</source>
            <translation>Arrastrar un contorno a mano alzada</translation>
        </message>
        <message>
            <source>Click a pixel: similar neighbours join it</source>
            <translation>Hacer clic en un píxel: los vecinos parecidos se le unen</translation>
        </message>
        <message>
            <source>There is nothing to undo.</source>
            <translation>No hay nada que deshacer.</translation>
        </message>
        <message>
            <source>There is nothing to redo.</source>
            <translation>No hay nada que rehacer.</translation>
        </message>
        <message>
            <source>Select polygons</source>
            <translation>Seleccionar polígonos</translation>
        </message>
        <message>
            <source>Move vertices of a polygon</source>
            <translation>Mover vértices de un polígono</translation>
        </message>
        <message>
            <source>Move polygons</source>
            <translation>Mover polígonos</translation>
        </message>
        <message>
            <source>Delete the selected polygons</source>
            <translation>Borrar los polígonos seleccionados</translation>
        </message>
        <message>
            <source>Save the polygons to their file</source>
            <translation>Guardar los polígonos en su archivo</translation>
        </message>
        <message>
            <source>How far a pixel's spectrum may be from the clicked one</source>
            <translation>Cuánto puede alejarse el espectro de un píxel del pulsado</translation>
        </message>
        <message>
            <source>Add Re&amp;gion</source>
            <translation>Añadir re&amp;gión</translation>
        </message>
        <message>
            <source>Take the shown region as a polygon (right click, Enter)</source>
            <translation>Tomar la región mostrada como polígono (clic derecho, Intro)</translation>
        </message>
        <message>
            <source>Tolerance</source>
            <translation>Tolerancia</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Elija primero una escena.</translation>
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation>Espere hasta que se haya leído la capa.</translation>
        </message>
        <message>
            <source>Add a class first, and select it.</source>
            <translation>Añada primero una clase y selecciónela.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Esperando las bandas del ráster.</translation>
        </message>
        <message>
            <source>There are no polygons yet.</source>
            <translation>Aún no hay polígonos.</translation>
        </message>
        <message>
            <source>All polygons are saved.</source>
            <translation>Todos los polígonos están guardados.</translation>
        </message>
        <message>
            <source>Draw some polygons of {}.</source>
            <translation>Dibuje algunos polígonos de {}.</translation>
        </message>
        <message>
            <source>{}; drawing {}</source>
            <translation>{}; dibujando {}</translation>
        </message>
        <message>
            <source>not saved</source>
            <translation>sin guardar</translation>
        </message>
        <message>
            <source>Undo: {}</source>
            <translation>Deshacer: {}</translation>
        </message>
        <message>
            <source>Redo: {}</source>
            <translation>Rehacer: {}</translation>
        </message>
        <message>
            <source>Click the corners; right or double click ends, Escape drops it.</source>
            <translation>Haga clic en los vértices; el clic derecho o el doble clic termina, Esc lo descarta.</translation>
        </message>
        <message>
            <source>Drag from corner to corner.</source>
            <translation>Arrastre de esquina a esquina.</translation>
        </message>
        <message>
            <source>Hold the button and go around.</source>
            <translation>Mantenga pulsado el botón y recorra el contorno.</translation>
        </message>
        <message>
            <source>Click a pixel, then move the slider; right click takes the region.</source>
            <translation>Haga clic en un píxel y mueva el deslizador; el clic derecho toma la región.</translation>
        </message>
        <message>
            <source>The polygon cannot be brought into the scene's coordinates.</source>
            <translation>El polígono no se puede llevar a las coordenadas de la escena.</translation>
        </message>
        <message>
            <source>The polygon is outside the scene and was not added.</source>
            <translation>El polígono está fuera de la escena y no se añadió.</translation>
        </message>
        <message>
            <source>The polygon crossed itself and was mended into {} parts.</source>
            <translation>El polígono se cruzaba y se reparó en {} partes.</translation>
        </message>
        <message>
            <source>{}; right click or Add Region takes the region.</source>
            <translation>{}; el clic derecho o Añadir región toma la región.</translation>
        </message>
        <message>
            <source>There is no region yet: press the tool that grows, then click a pixel.</source>
            <translation>Aún no hay región: pulse la herramienta de crecimiento y haga clic en un píxel.</translation>
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation>Seleccione primero polígonos.</translation>
        </message>
        <message>
            <source>Delete polygons</source>
            <translation>Borrar polígonos</translation>
        </message>
    </context>
    <context>
        <name>PretrainingSection</name>
        <message>
            <source>2  Pretraining</source>
            <translation>2  Preentrenamiento</translation>
        </message>
        <message>
            <source>Pretraining</source>
            <translation>Preentrenamiento</translation>
        </message>
        <message>
            <source>Quick – a first look</source>
            <translation>Rápido – un primer vistazo</translation>
        </message>
        <message>
            <source>Balanced – good maps</source>
            <translation>Equilibrado – buenos mapas</translation>
        </message>
        <message>
            <source>Paper – as published, needs a GPU</source>
            <translation>Artículo – como se publicó, con GPU</translation>
        </message>
        <message>
            <source>How long and how large the model learns</source>
            <translation>Cuánto aprende el modelo y cuán grande es</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>Automático</translation>
        </message>
        <message>
            <source>CPU</source>
            <translation>CPU</translation>
        </message>
        <message>
            <source>NVIDIA GPU</source>
            <translation>GPU NVIDIA</translation>
        </message>
        <message>
            <source>Apple GPU</source>
            <translation>GPU Apple</translation>
        </message>
        <message>
            <source>Where the engine pretrains, trains and maps; automatic takes a GPU if any</source>
            <translation>Dónde preentrena, entrena y cartografía el motor; Automático toma una GPU si la hay</translation>
        </message>
        <message>
            <source>&amp;Preset</source>
            <translation>&amp;Preajuste</translation>
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation>D&amp;ispositivo</translation>
        </message>
        <message>
            <source>P&amp;retrain</source>
            <translation>Pree&amp;ntrenar</translation>
        </message>
        <message>
            <source>Take a model that exists, of this scene or one of the same sensor…</source>
            <translation>Tomar un modelo que existe, de esta escena o de una del mismo sensor…</translation>
        </message>
        <message>
            <source>The loss of pretraining: it falls fast, then slowly</source>
            <translation>La pérdida del preentrenamiento: baja deprisa, luego despacio</translation>
        </message>
        <message>
            <source>Found the model {} of this scene.</source>
            <translation>Se encontró el modelo {} de esta escena.</translation>
        </message>
        <message>
            <source>Pa&amp;use</source>
            <translation>Pausa&amp;r</translation>
        </message>
        <message>
            <source>Stop after the present step; what was learned is kept</source>
            <translation>Parar tras el paso actual; lo aprendido se conserva</translation>
        </message>
        <message>
            <source>&amp;Resume</source>
            <translation>Rea&amp;nudar</translation>
        </message>
        <message>
            <source>Learn the scene in the background; go on drawing meanwhile</source>
            <translation>Aprender la escena en segundo plano; siga dibujando mientras tanto</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Elija primero una escena.</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Espere hasta que termine el trabajo en marcha.</translation>
        </message>
        <message>
            <source>Paused; Resume goes on from the last checkpoint.</source>
            <translation>En pausa; Reanudar continúa desde el último punto de control.</translation>
        </message>
        <message>
            <source>Model: {}</source>
            <translation>Modelo: {}</translation>
        </message>
        <message>
            <source>No model yet: press Pretrain.</source>
            <translation>Aún no hay modelo: pulse Preentrenar.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Esperando las bandas del ráster.</translation>
        </message>
        <message>
            <source>Pausing: writing a checkpoint…</source>
            <translation>Pausando: escribiendo un punto de control…</translation>
        </message>
        <message>
            <source>Taking up the job that went on without QGIS…</source>
            <translation>Retomando el trabajo que continuó sin QGIS…</translation>
        </message>
        <message>
            <source>Starting the engine…</source>
            <translation>Iniciando el motor…</translation>
        </message>
        <message>
            <source>{} {} of {}</source>
            <translation>{} {} de {}</translation>
        </message>
        <message>
            <source>{} left</source>
            <translation>quedan {}</translation>
        </message>
        <message>
            <source>Choose a Diffusion Model</source>
            <translation>Elegir un modelo de difusión</translation>
        </message>
        <message>
            <source>Diffusion models (*.safetensors)</source>
            <translation>Modelos de difusión (*.safetensors)</translation>
        </message>
        <message>
            <source>{} is not a diffusion model.</source>
            <translation>{} no es un modelo de difusión.</translation>
        </message>
        <message>
            <source>{} was learned on a raster with other bands.</source>
            <translation>{} se aprendió en un ráster con otras bandas.</translation>
        </message>
        <message>
            <source>The model is of another scene of the same sensor.</source>
            <translation>El modelo es de otra escena del mismo sensor.</translation>
        </message>
    </context>
    <context>
        <name>ProgressPage</name>
        <message>
            <source>What the tools said</source>
            <translation>Lo que dijeron las herramientas</translation>
        </message>
        <message>
            <source>Log</source>
            <translation>Registro</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>El motor está listo.</translation>
        </message>
        <message>
            <source>Canceled; what was fetched is kept for the next time.</source>
            <translation>Cancelado; lo descargado se conserva para la próxima vez.</translation>
        </message>
        <message>
            <source>It computes on: {}. Open a scene and begin.</source>
            <translation>Calcula en: {}. Abra una escena y empiece.</translation>
        </message>
    </context>
    <context>
        <name>ReferenceClasses</name>
        <message>
            <source>The field of the reference that holds the class</source>
            <translation>El campo de la referencia que contiene la clase</translation>
        </message>
        <message>
            <source>Reference</source>
            <translation>Referencia</translation>
        </message>
        <message>
            <source>Map</source>
            <translation>Mapa</translation>
        </message>
        <message>
            <source>Which class of the map each class of the reference is</source>
            <translation>Qué clase del mapa es cada clase de la referencia</translation>
        </message>
        <message>
            <source>Class field</source>
            <translation>Campo de clase</translation>
        </message>
        <message>
            <source>none: counts as wrong</source>
            <translation>ninguna: cuenta como error</translation>
        </message>
        <message>
            <source>left out</source>
            <translation>excluida</translation>
        </message>
        <message>
            <source>The map's class for {}</source>
            <translation>La clase del mapa para {}</translation>
        </message>
    </context>
    <context>
        <name>Run</name>
        <message>
            <source>The Processing provider of MTMSD is not loaded.</source>
            <translation>El proveedor de procesos de MTMSD no está cargado.</translation>
        </message>
        <message>
            <source>The algorithm cannot be started.</source>
            <translation>No se puede iniciar el algoritmo.</translation>
        </message>
        <message>
            <source>The algorithm failed; see its log.</source>
            <translation>El algoritmo falló; vea su registro.</translation>
        </message>
    </context>
    <context>
        <name>SampleProject</name>
        <message>
            <source>The sample cannot be copied: {}</source>
            <translation>No se puede copiar el ejemplo: {}</translation>
        </message>
        <message>
            <source>The sample, as you left it; delete {} to begin anew.</source>
            <translation>El ejemplo, tal como lo dejó; borre {} para empezar de nuevo.</translation>
        </message>
        <message>
            <source>EnMAP Potsdam</source>
            <translation>EnMAP Potsdam</translation>
        </message>
        <message>
            <source>Validation polygons</source>
            <translation>Polígonos de validación</translation>
        </message>
        <message>
            <source>MTMSD sample: EnMAP Potsdam</source>
            <translation>Ejemplo de MTMSD: EnMAP Potsdam</translation>
        </message>
        <message>
            <source>{path} cannot be written: {reason}</source>
            <translation>{path} no se puede escribir: {reason}</translation>
        </message>
        <message>
            <source>The sample is in {}, with classes and polygons: press Pretrain.</source>
            <translation>El ejemplo está en {}, con clases y polígonos: pulse Preentrenar.</translation>
        </message>
    </context>
    <context>
        <name>SceneSection</name>
        <message>
            <source>1  Scene</source>
            <translation>1  Escena</translation>
        </message>
        <message>
            <source>No scene chosen</source>
            <translation>Ninguna escena elegida</translation>
        </message>
        <message>
            <source>The hyperspectral raster to map</source>
            <translation>El ráster hiperespectral que cartografiar</translation>
        </message>
        <message>
            <source>Follow the layer tree: the active raster becomes the scene</source>
            <translation>Seguir el árbol de capas: el ráster activo pasa a ser la escena</translation>
        </message>
        <message>
            <source>Open a raster, its header, a product's METADATA.XML or zip…</source>
            <translation>Abrir un ráster, su cabecera o el METADATA.XML o zip de un producto…</translation>
        </message>
        <message>
            <source>Open the folder of a satellite product…</source>
            <translation>Abrir la carpeta de un producto de satélite…</translation>
        </message>
        <message>
            <source>Mask</source>
            <translation>Máscara</translation>
        </message>
        <message>
            <source>&amp;True Colour</source>
            <translation>Co&amp;lor real</translation>
        </message>
        <message>
            <source>Red 650, green 550, blue 470 nm</source>
            <translation>Rojo 650, verde 550, azul 470 nm</translation>
        </message>
        <message>
            <source>&amp;Infrared</source>
            <translation>Infrarro&amp;jo</translation>
        </message>
        <message>
            <source>Near infrared 860, red 650, green 550 nm</source>
            <translation>Infrarrojo cercano 860, rojo 650, verde 550 nm</translation>
        </message>
        <message>
            <source>&amp;SWIR</source>
            <translation>S&amp;WIR</translation>
        </message>
        <message>
            <source>Short-wave 2200, 1650 and near infrared 860 nm</source>
            <translation>Onda corta 2200, 1650 e infrarrojo cercano 860 nm</translation>
        </message>
        <message>
            <source>Size</source>
            <translation>Tamaño</translation>
        </message>
        <message>
            <source>Columns × rows, and the size of a pixel</source>
            <translation>Columnas × filas, y el tamaño de un píxel</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Bandas</translation>
        </message>
        <message>
            <source>Bands used, of all in the file</source>
            <translation>Bandas usadas, de todas las del archivo</translation>
        </message>
        <message>
            <source>Wavelengths</source>
            <translation>Longitudes de onda</translation>
        </message>
        <message>
            <source>From the first to the last used band</source>
            <translation>De la primera a la última banda usada</translation>
        </message>
        <message>
            <source>Left out</source>
            <translation>Excluidas</translation>
        </message>
        <message>
            <source>Bands that are not used, and why</source>
            <translation>Bandas que no se usan, y por qué</translation>
        </message>
        <message>
            <source>No data</source>
            <translation>Sin datos</translation>
        </message>
        <message>
            <source>Share of pixels without data or masked</source>
            <translation>Parte de los píxeles sin datos o enmascarados</translation>
        </message>
        <message>
            <source>CRS</source>
            <translation>SRC</translation>
        </message>
        <message>
            <source>Coordinate reference system</source>
            <translation>Sistema de referencia de coordenadas</translation>
        </message>
        <message>
            <source>Open a Hyperspectral Raster</source>
            <translation>Abrir un ráster hiperespectral</translation>
        </message>
        <message>
            <source>Open the Folder of a Product</source>
            <translation>Abrir la carpeta de un producto</translation>
        </message>
        <message>
            <source>Looking for the scene of {}…</source>
            <translation>Buscando la escena de {}…</translation>
        </message>
        <message>
            <source>{} is not a raster that QGIS can read.</source>
            <translation>{} no es un ráster que QGIS pueda leer.</translation>
        </message>
        <message>
            <source>Choose a hyperspectral raster, or open one.</source>
            <translation>Elija un ráster hiperespectral o abra uno.</translation>
        </message>
        <message>
            <source>Looking at the raster…</source>
            <translation>Examinando el ráster…</translation>
        </message>
        <message>
            <source>{} px, {} bands used</source>
            <translation>{} px, {} bandas usadas</translation>
        </message>
        <message>
            <source>{:.0f} to {:.0f} nm</source>
            <translation>{:.0f} a {:.0f} nm</translation>
        </message>
        <message>
            <source>not in the file</source>
            <translation>no en el archivo</translation>
        </message>
        <message>
            <source>{} of {}</source>
            <translation>{} de {}</translation>
        </message>
        <message>
            <source>none</source>
            <translation>ninguno</translation>
        </message>
        <message>
            <source>{} px masked</source>
            <translation>{} px enmascarados</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Elija primero una escena.</translation>
        </message>
        <message>
            <source>The bands are not known yet.</source>
            <translation>Las bandas aún no se conocen.</translation>
        </message>
        <message>
            <source>The raster has no wavelengths.</source>
            <translation>El ráster no tiene longitudes de onda.</translation>
        </message>
        <message>
            <source>The raster has no bands near {} nm.</source>
            <translation>El ráster no tiene bandas cerca de {} nm.</translation>
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
            <translation>Instalar el motor MTMSD</translation>
        </message>
        <message>
            <source>&amp;Back</source>
            <translation>Atrá&amp;s</translation>
        </message>
        <message>
            <source>Choose otherwise: folder, device, source</source>
            <translation>Elegir de otro modo: carpeta, dispositivo, origen</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>C&amp;ancelar</translation>
        </message>
        <message>
            <source>Stop; what was fetched is kept for the next time</source>
            <translation>Parar; lo descargado se conserva para la próxima vez</translation>
        </message>
        <message>
            <source>Begin: now something is fetched and written</source>
            <translation>Empezar: ahora se descarga y se escribe algo</translation>
        </message>
        <message>
            <source>C&amp;lose</source>
            <translation>C&amp;errar</translation>
        </message>
        <message>
            <source>Close this window; the set-up goes on and the dock shows it</source>
            <translation>Cerrar esta ventana; la instalación continúa y el panel la muestra</translation>
        </message>
        <message>
            <source>Close this window</source>
            <translation>Cerrar esta ventana</translation>
        </message>
        <message>
            <source>&amp;Try Again</source>
            <translation>&amp;Reintentar</translation>
        </message>
        <message>
            <source>&amp;Use This Python</source>
            <translation>&amp;Usar este Python</translation>
        </message>
        <message>
            <source>&amp;Set Up</source>
            <translation>I&amp;nstalar</translation>
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation>Espere hasta que el motor esté instalado.</translation>
        </message>
        <message>
            <source>Wait: this machine is being looked at.</source>
            <translation>Espere: se examina este equipo.</translation>
        </message>
        <message>
            <source>This cannot be set up; the text above says why.</source>
            <translation>Esto no se puede instalar; el texto de arriba dice por qué.</translation>
        </message>
    </context>
    <context>
        <name>SpectraImport</name>
        <message>
            <source>Import Spectra…</source>
            <translation>Importar espectros…</translation>
        </message>
        <message>
            <source>Spectra of a library, at the scene's bands and in its units: ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD</source>
            <translation>Espectros de una biblioteca, en las bandas y unidades de la escena: ENVI (.sli), CSV, texto del USGS o de ECOSTRESS, ASD</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Elija primero una escena.</translation>
        </message>
        <message>
            <source>Imported ({}, {} of them train)</source>
            <translation>Importados ({}, {} entrenan)</translation>
        </message>
        <message>
            <source>Imported ({})</source>
            <translation>Importados ({})</translation>
        </message>
        <message>
            <source>The imported spectra, dashed in the plot; train with them or remove them here</source>
            <translation>Los espectros importados, a trazos en el gráfico; aquí se usan para entrenar o se quitan</translation>
        </message>
        <message>
            <source>Remove</source>
            <translation>Quitar</translation>
        </message>
        <message>
            <source>Use None for Training</source>
            <translation>No usar ninguno para entrenar</translation>
        </message>
        <message>
            <source>Remove All</source>
            <translation>Quitar todos</translation>
        </message>
        <message>
            <source>Not Used for Training</source>
            <translation>Sin usar para entrenar</translation>
        </message>
        <message>
            <source>Train {}</source>
            <translation>Entrenar {}</translation>
        </message>
        <message>
            <source>Train a New Class</source>
            <translation>Entrenar una clase nueva</translation>
        </message>
        <message>
            <source>{} has no values at {} of the scene's bands, so it cannot train; leave these bands out, then import it again.</source>
            <translation>{} no tiene valores en {} de las bandas de la escena, así que no puede entrenar; excluya esas bandas y vuelva a importarlo.</translation>
        </message>
        <message>
            <source>The class is gone that these spectra trained: {}.</source>
            <translation>Ya no existe la clase que entrenaban estos espectros: {}.</translation>
        </message>
        <message>
            <source>Import Spectra</source>
            <translation>Importar espectros</translation>
        </message>
        <message>
            <source>Spectral libraries</source>
            <translation>Bibliotecas espectrales</translation>
        </message>
        <message>
            <source>All files</source>
            <translation>Todos los archivos</translation>
        </message>
        <message>
            <source>The engine sees other bands of the scene now; open it again.</source>
            <translation>El motor ve ahora otras bandas de la escena; ábrala de nuevo.</translation>
        </message>
        <message>
            <source>{} spectra were imported.</source>
            <translation>Se importaron {} espectros.</translation>
        </message>
    </context>
    <context>
        <name>SpectraPins</name>
        <message>
            <source>Pin</source>
            <translation>Fijar</translation>
        </message>
        <message>
            <source>Remove Pins</source>
            <translation>Quitar fijados</translation>
        </message>
        <message>
            <source>Export Spectra…</source>
            <translation>Exportar espectros…</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Elija primero una escena.</translation>
        </message>
        <message>
            <source>Click pixels in the map: their spectra stay in the plot</source>
            <translation>Haga clic en píxeles del mapa: sus espectros quedan en el gráfico</translation>
        </message>
        <message>
            <source>There are no pinned spectra.</source>
            <translation>No hay espectros fijados.</translation>
        </message>
        <message>
            <source>Take the pinned spectra out of the plot</source>
            <translation>Quitar del gráfico los espectros fijados</translation>
        </message>
        <message>
            <source>Classes (mean, standard deviation) and pins as CSV, .sli or GeoPackage</source>
            <translation>Clases (media, desviación típica) y espectros fijados como CSV, .sli o GeoPackage</translation>
        </message>
        <message>
            <source>There are no spectra yet: draw polygons, or pin pixels.</source>
            <translation>Aún no hay espectros: dibuje polígonos o fije píxeles.</translation>
        </message>
        <message>
            <source>There is no data at that place.</source>
            <translation>No hay datos en ese lugar.</translation>
        </message>
        <message>
            <source>pin {}</source>
            <translation>fijado {}</translation>
        </message>
        <message>
            <source>Export Spectra</source>
            <translation>Exportar espectros</translation>
        </message>
        <message>
            <source>{} spectra were written to {}.</source>
            <translation>Se escribieron {} espectros en {}.</translation>
        </message>
    </context>
    <context>
        <name>SpectraPlot</name>
        <message>
            <source>cursor</source>
            <translation>cursor</translation>
        </message>
        <message>
            <source>As read: values up to {} are no reflectance</source>
            <translation>Sin escalar: valores de hasta {} no son reflectancia</translation>
        </message>
        <message>
            <source>Reflectance: values ÷ {}</source>
            <translation>Reflectancia: valores ÷ {}</translation>
        </message>
        <message>
            <source>Each from its least to its greatest value</source>
            <translation>Cada uno de su valor mínimo a su máximo</translation>
        </message>
        <message>
            <source>Continuum removed, none over gaps</source>
            <translation>Continuo eliminado, salvo en los huecos</translation>
        </message>
        <message>
            <source>band {}</source>
            <translation>banda {}</translation>
        </message>
        <message>
            <source>Point at the scene on the map</source>
            <translation>Señale la escena en el mapa</translation>
        </message>
    </context>
    <context>
        <name>SpectraSection</name>
        <message>
            <source>5  Spectra</source>
            <translation>5  Espectros</translation>
        </message>
        <message>
            <source>Mean and standard deviation of each class; dashed: the pixel at the cursor. The wheel or a drag zooms, a double click goes back</source>
            <translation>Media y desviación típica de cada clase; a trazos: el píxel bajo el cursor. La rueda o arrastrar acerca, el doble clic vuelve atrás</translation>
        </message>
        <message>
            <source>Jeffries–Matusita distance of two classes: 0 alike, 2 well apart</source>
            <translation>Distancia de Jeffries-Matusita de dos clases: 0 iguales, 2 bien separadas</translation>
        </message>
        <message>
            <source>nm</source>
            <translation>nm</translation>
        </message>
        <message>
            <source>band</source>
            <translation>banda</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Elija primero una escena.</translation>
        </message>
        <message>
            <source>Point at the map; classes appear with their polygons.</source>
            <translation>Señale el mapa; las clases aparecen con sus polígonos.</translation>
        </message>
        <message>
            <source>Two classes of 5 pixels or more can be compared.</source>
            <translation>Se pueden comparar dos clases de 5 píxeles o más.</translation>
        </message>
        <message>
            <source>Most alike: {} and {} ({} of 2)</source>
            <translation>Las más parecidas: {} y {} ({} de 2)</translation>
        </message>
    </context>
    <context>
        <name>SpectraView</name>
        <message>
            <source>Scale of the plot alone; what is exported stays as read</source>
            <translation>Solo la escala del gráfico; lo exportado queda sin escalar</translation>
        </message>
        <message>
            <source>As read</source>
            <translation>Sin escalar</translation>
        </message>
        <message>
            <source>Reflectance, 0 to 1</source>
            <translation>Reflectancia, 0 a 1</translation>
        </message>
        <message>
            <source>Min–max of each</source>
            <translation>Mín.–máx. de cada uno</translation>
        </message>
        <message>
            <source>Continuum removed</source>
            <translation>Continuo eliminado</translation>
        </message>
        <message>
            <source>Scale</source>
            <translation>Escala</translation>
        </message>
    </context>
    <context>
        <name>SpectralAngle</name>
        <message>
            <source>Spectral Angle…</source>
            <translation>Ángulo espectral…</translation>
        </message>
        <message>
            <source>How far each pixel is from the pinned and imported spectra, as a layer</source>
            <translation>Distancia de cada píxel a los espectros fijados e importados, como capa</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Elija primero una escena.</translation>
        </message>
        <message>
            <source>There are no spectra to measure by: pin pixels, or import spectra.</source>
            <translation>No hay espectros con los que comparar: fije píxeles o importe espectros.</translation>
        </message>
        <message>
            <source>The scene has no wavelengths, by which spectra are compared.</source>
            <translation>La escena no tiene longitudes de onda, con las que se comparan los espectros.</translation>
        </message>
    </context>
    <context>
        <name>SpeedEstimate</name>
        <message>
            <source>Meas&amp;ure</source>
            <translation>Medi&amp;r</translation>
        </message>
        <message>
            <source>Run a few steps on this machine to learn how long this preset takes</source>
            <translation>Ejecutar unos pasos en este equipo para saber cuánto tarda este preajuste</translation>
        </message>
        <message>
            <source>Measuring on this machine…</source>
            <translation>Midiendo en este equipo…</translation>
        </message>
        <message>
            <source>Takes about {} here</source>
            <translation>Aquí tarda unos {}</translation>
        </message>
        <message>
            <source>Time on this machine not measured yet</source>
            <translation>Tiempo en este equipo aún sin medir</translation>
        </message>
        <message>
            <source>Measuring the speed</source>
            <translation>Midiendo la velocidad</translation>
        </message>
    </context>
    <context>
        <name>TrainingLayer</name>
        <message>
            <source>Add class</source>
            <translation>Añadir clase</translation>
        </message>
        <message>
            <source>Rename class</source>
            <translation>Renombrar clase</translation>
        </message>
        <message>
            <source>Recolour class</source>
            <translation>Cambiar el color de la clase</translation>
        </message>
        <message>
            <source>Load classes</source>
            <translation>Cargar clases</translation>
        </message>
        <message>
            <source>Merge classes</source>
            <translation>Fusionar clases</translation>
        </message>
        <message>
            <source>Delete classes</source>
            <translation>Borrar clases</translation>
        </message>
        <message>
            <source>Add polygon</source>
            <translation>Añadir polígono</translation>
        </message>
        <message>
            <source>Change class</source>
            <translation>Cambiar clase</translation>
        </message>
        <message>
            <source>Import polygons</source>
            <translation>Importar polígonos</translation>
        </message>
    </context>
    <context>
        <name>TrainingSamples</name>
        <message>
            <source>The pixels cannot be read: {}</source>
            <translation>No se pueden leer los píxeles: {}</translation>
        </message>
    </context>
    <context>
        <name>Workspace</name>
        <message>
            <source>The training polygons {} are gone; the next class begins a new file.</source>
            <translation>Los polígonos de entrenamiento {} ya no existen; la próxima clase empieza un archivo nuevo.</translation>
        </message>
        <message>
            <source>1 training polygon was recovered: it had not been saved.</source>
            <translation>Se recuperó 1 polígono de entrenamiento: no estaba guardado.</translation>
        </message>
        <message>
            <source>{} training polygons were recovered: not all had been saved.</source>
            <translation>Se recuperaron {} polígonos de entrenamiento: no todos estaban guardados.</translation>
        </message>
        <message>
            <source>Training – {}</source>
            <translation>Entrenamiento – {}</translation>
        </message>
        <message>
            <source>The training polygons {path} were not saved: {reason}</source>
            <translation>No se guardaron los polígonos de entrenamiento {path}: {reason}</translation>
        </message>
    </context>
    <context>
        <name>_Line</name>
        <message>
            <source>Stop this job; what it learned up to now is kept</source>
            <translation>Parar este trabajo; lo que aprendió hasta ahora se conserva</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>C&amp;ancelar</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>Cancelar</translation>
        </message>
        <message>
            <source>{} – stopping…</source>
            <translation>{} – parando…</translation>
        </message>
        <message>
            <source>Drag: the map is on the left, the scene on the right</source>
            <translation>Arrastre: el mapa queda a la izquierda, la escena a la derecha</translation>
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
            <translation>{} días</translation>
        </message>
    </context>
</TS>
