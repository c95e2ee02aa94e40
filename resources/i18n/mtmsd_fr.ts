<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="fr" sourcelanguage="en">
    <context>
        <name>AccuracySection</name>
        <message>
            <source>7  Accuracy</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Overall: share of right pixels; average: mean over the classes; κ: Cohen's</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>How the pixels that were compared are held apart</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Found: share of the reference that the map has; right: share of the map</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The same pixels by methods that see spectra only</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>No reference polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Polygons of known class that did not train the map; by their class field</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>R&amp;eference</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Assess</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Ope&amp;n Report</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Map the scene first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose reference polygons.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Compare the class map with the reference and write a report</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>There is no report yet; Assess writes one.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Open the full report in the browser</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} right of {:,} pixels</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>No polygons were held out; choose reference polygons.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Overall &lt;b&gt;{}&lt;/b&gt; · average &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{:.2f}&lt;/b&gt;</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>found</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>right</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Spectra alone, same pixels:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>No spectral baseline was computed.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Assessing the map</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Comparing the map with the reference…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The report cannot be opened; it is {}.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>Attached</name>
        <message>
            <source>The job in {} was never begun.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>BetterBaseline</name>
        <message>
            <source>Map with That One</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose it in the Map section and map the scene again</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>A simpler classifier did clearly better: {}, {} right against {}.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>ClassesSection</name>
        <message>
            <source>3  Classes</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Name</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pixels</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Double-click a name or a colour to change it; the selected class is drawn</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>From &amp;Layer</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Class {}; double-click to recolour</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Too few: at least {} pixels are needed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Few: draw some more, {} pixels or so</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Reading the layer…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Add a class, or take classes from a layer.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>One class; add a second one.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Too few pixels: {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} classes, {:,} pixels</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Select two or more classes (Ctrl and click).</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Select a class.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>There is nothing to undo.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Undo: {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Redo: {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Add a class</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Merge the selected classes into the first</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Delete the selected classes and their polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Take classes and polygons from a polygon layer or a label raster</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Deleted {} with all polygons; Undo brings them back.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>There is a class '{}' already; merge the two instead.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Colour of {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>No polygon layer or label raster in the project</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Copy the polygons; the class is in the field {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} – another field</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} has no polygons with a class.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} taken from {}.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>Engine</name>
        <message>
            <source>MTMSD Engine</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>EngineFacts</name>
        <message>
            <source>State</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Ready, outdated, broken or being checked</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>MTMSD</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The version of plugin and engine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Python</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The engine's interpreter</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>PyTorch</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The library that learns</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Devices</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>What computes, and its free memory</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>not looked at yet: Verify tells</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>none; ONNX Runtime {}, which classifies only</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} does not compute: {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{}: {} free</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>EnginePanel</name>
        <message>
            <source>Set Up Engine…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Says what is installed, from where and how large, before anything is done</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose Interpreter…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The python program of an environment that has the engine's libraries already</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Verify</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Start the engine: imports, a computation on each device, a raster</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Update…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Set the engine up anew; the old one stays until the new one works</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Remove…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Delete the engine's environment; models and maps stay</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Copy &amp;Diagnostics</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Put one text on the clipboard that tells a helper all; without names</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>More</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Verify, update or remove the engine; copy diagnostics</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The engine is being set up; QGIS can be used meanwhile.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Show Set-Up…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Wait until the engine is removed.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Wait for the check.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>There is no engine yet.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>There is no engine that was set up here.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose the Engine's Python</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The engine is started: this takes up to a minute…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Verified: the engine computes, and reads and writes rasters.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Remove the Engine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Delete the engine's environment in {}?</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Models, maps and jobs stay.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Remove</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Keep</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Looking at the machine…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Copied: paste it into your report.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>EngineSection</name>
        <message>
            <source>Engine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Being set up</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>Facts</name>
        <message>
            <source>The engine cannot be started: {}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The engine said nothing about the raster.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>JobsSection</name>
        <message>
            <source>8  Jobs</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Job</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Started</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>State</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The newest jobs; each has a folder with its log</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>S&amp;how Log…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Job Folder</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} running</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>None running; {} ended</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>No jobs yet.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>running</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>done</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>canceled</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>failed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} (started elsewhere)</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Select a job.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Show what the job said</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Open the job's folder</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Log of {}</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>LabelPoints</name>
        <message>
            <source>The two classes that are in doubt there</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Label It</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Give this pixel a class, as a training polygon</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Next Point</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Leave this one and go to the next</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Zoom to It</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Show the point in the middle of the map window</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Point {} of {}: {} or {}?</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>That was the last point. Map anew to see what it gained.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The point cannot be brought into the map window's coordinates.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>LossCurve</name>
        <message>
            <source>Loss: waiting for the first steps</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Loss</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>step {:,.0f}</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>MTMSD</name>
        <message>
            <source>Jobs Are Running</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The engine is at work:</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>A job that goes on is taken up again when QGIS is next opened.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Let It Go On</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Cancel Job</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Stay in QGIS</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>MTMSD: spectra and surroundings</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Support vector machine: spectra</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Support vector machine, tuned by polygons: spectra</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Random forest: spectra</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>1 polygon</source>
            <translation type="unfinished" />
        </message>
        <message numerus="yes">
            <source>%Ln polygons</source>
            <translation type="unfinished">
                <numerusform />
                <numerusform />
            </translation>
        </message>
        <message>
            <source>1 pixel</source>
            <translation type="unfinished" />
        </message>
        <message numerus="yes">
            <source>%Ln pixels</source>
            <translation type="unfinished">
                <numerusform />
                <numerusform />
            </translation>
        </message>
        <message>
            <source>Fold or unfold this section</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Not yet possible</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Ready: this can be done now</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Running</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Done</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Needs attention</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The engine is being checked…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>A set-up of the engine was begun and not finished; it can go on.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The engine does the computing, in a Python environment of its own. One click sets it up; QGIS itself stays as it is.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>being checked</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>ready</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>not set up</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>broken</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>outdated</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>CPU</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>NVIDIA GPU</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Apple GPU</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Preparing the folder</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Fetching the installer uv</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Making the Python environment</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Fetching and installing the packages</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Fetching and installing PyTorch</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Checking that it computes</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Putting it in place</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Beginning</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{}: {} of {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;MTMSD</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>MTMSD Classification</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Show or hide the MTMSD dock</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Engine…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Parameters and outputs</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The job's folder {path} cannot be made: {reason}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The file is temporary: it goes when QGIS is closed.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The layer for '{parameter}' cannot be opened: {value}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>'{layer}' is the scene itself; choose the layer with the polygons.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The layer '{layer}' has no field '{field}'; it has {fields}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Assess a class map</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Compares a class map with reference polygons and writes an accuracy report.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Class map</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Reference that was not used for training.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The polygons that trained the map; the baselines learn from them. Default: none.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Figures</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The raster that 'Classify a scene' has written.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Reference polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The scene of the map. With it and the training polygons, a support vector machine and a random forest on the plain spectra are reported beside the map. Default: none.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Training polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The figures as JSON. Default: beside the report.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Spectral baselines need both the scene and the training polygons; give both or neither.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Classify a scene</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Maps a scene with a trained classifier; class map and confidence.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Classifier</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Extent</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Only this part of the scene is mapped, on the scene's own pixels. Default: the whole scene.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>GeoTIFF on the scene's grid with class numbers, names and colours; 0 = no data.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The extent does not touch the scene '{name}'; choose one that does.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Overall accuracy (0 to 1)</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Average accuracy (0 to 1)</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Kappa</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The raster layer '{name}' comes from the provider '{provider}', which the engine cannot read; save it as a GeoTIFF and use that.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The raster layer '{name}' is only in QGIS's memory; save it as a GeoTIFF and use that.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The layer '{name}' is neither a vector nor a raster layer.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>No polygon of the layer '{name}' is selected; select some, or leave 'Selected polygons only' off.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The layer '{name}' could not be written for the engine: {reason}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Map a scene from polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>From a hyperspectral raster and a few polygons to a class map, in one step.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The training polygons, at least 3 pixels in each of two or more classes.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Reference that is not used for training. Default: a quarter of the training polygons is held out for the accuracy figures; the map then learns from all of them.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Validation polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>New diffusion model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Kept to map the scene again without pretraining. Default: not kept.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Kept to map other scenes of the same sensor. Default: not kept.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>mtmsd (default), or a simple one of plain spectra, which needs no diffusion model and takes seconds: svm (support vector machine), svm-polygons (the same, tuned over whole polygons), rf (random forest). The accuracy report says when one of them is better.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>How polygons are held out</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Share held out</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Guard distance in pixels</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>polygons: whole ones. cross: spatial cross-validation, each polygon tested once. auto (default): cross where most classes have fewer than 4 polygons, else polygons. random: single pixels, whose figures are optimistic because they lie beside training pixels.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Share of each class that is held out, 0 to 0.9. With 0 no accuracy is told and the confidence is not calibrated. Default: 0.25.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Training pixels nearer than this to a held-out one are left out. Default: 0.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Unknown below a confidence of</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Majority filter, side in pixels</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Minimum mapping unit in pixels</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pixels of lower confidence, 0 to 1, get the class 255 'unknown'. Default: none.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Each pixel gets the most frequent class of a square of 3, 5, 7, … pixels around it; on a tie it keeps its own. Default: none.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Smaller regions join their largest neighbour. Default: all regions stay.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Class probabilities</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>GeoTIFF with one band for each class, 0 to 1; four bytes a pixel and class. 'Where to label next' needs it. Default: not written.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Entropy</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>GeoTIFF: 0 where one class is certain, 1 where all are as likely. Default: not written.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Disagreement</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>GeoTIFF: how far the members of the ensemble differ, 0 to 1; not for the simple classifiers. Default: not written.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>GeoPackage with the map's regions, as by 'Turn a class map into polygons'. Default: not written.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Points to label</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>GeoPackage with 20 places worth a label next, as by 'Where to label next'. Default: not written.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Where to label next</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Points in doubt, spread over the scene, with the two classes in question.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Number of points</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Labels that there are already; the points keep away. Default: none.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>One band for each class, from 'Classify a scene' or 'Map a scene'.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>How many points are proposed. Default: 20.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>GeoPackage with rank (1 is best), doubt (0 to 1), the two classes in doubt and their probabilities.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Number of points found</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Scene</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The hyperspectral raster. Pixels without data and bad bands (marked in the file, constant, or empty) are left out by themselves.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>A polygon layer in any CRS with a class field, or a raster on the scene's grid with class numbers (0 = unlabelled).</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Class field</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Class number or class name of each polygon; of a number the name is taken from a field such as class_name. Default: the field called class_id, class, or similar.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Selected polygons only</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Only the selected ones of the labels' polygons are read. Default: no, all.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Diffusion model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The .safetensors file that 'Pretrain on a scene' has written.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>With it, pretraining is skipped. Default: none.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Preset</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>quick: about 3 minutes of pretraining on two CPU cores, for a first look. balanced (default): about 10 to 15 minutes, the map to keep. paper: the published network and length; needs a GPU.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Device</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>auto (default) takes a GPU that works, else the CPU.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Seed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The same seed on the same machine gives the same result. Default: 0.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Other settings</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Single numbers of the preset replaced, as KEY=VALUE with spaces between: 'iterations=2000 members=5'. Default: none.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Bands to leave out</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Band numbers or wavelengths besides those that are left out by themselves: '1-5,130-135' or '1340-1460nm,1790-1960nm' (water vapour). Default: none.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Resume</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Continue from the last checkpoint of a canceled or broken run with the same output file. Default: no.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Confidence</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>GeoTIFF with the probability of the mapped class, 0 to 1.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Accuracy report</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>One HTML file with confusion matrix (rows: reference, columns: map), accuracies and, where they can be made, spectral baselines.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>'{word}' in Other settings is not of the form KEY=VALUE.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>'{path}' is not a GeoTIFF, the one format that is written; end it in .tif.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>'{path}' is not a GeoPackage, the one format that is written; end it in .gpkg.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pretrain on a scene</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Learns a hyperspectral scene without labels and writes a diffusion model.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>A .safetensors file of 5 to 110 MB, to be used by 'Train a classifier' and 'Map a scene from polygons'. Checkpoints lie beside it until it is complete.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Canceled.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The job in {folder} could not be started with {python}: {reason}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Job folder: {folder}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Train a classifier</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Learns the classes of training polygons and writes a classifier.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>A .safetensors file that holds the diffusion model, the classes with names and colours, and the accuracy on held-out polygons; it is all that 'Classify a scene' needs.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The classifier 'mtmsd' needs a diffusion model; give the one that 'Pretrain on a scene' has written, or choose another classifier.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Turn a class map into polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Polygons with class, area and mean confidence, and the area of each class.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Area table</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Written with the map; its mean is told for each polygon. Default: none.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>GeoPackage with a polygon for each connected region: class_id, class_name, color, pixels, area_ha, confidence.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pixels, share and hectares of each class as CSV. Default: not written.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Number of polygons</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>MapOptions</name>
        <message>
            <source>Another classifier, and filters for the finished map</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>MTMSD learns from spectra and their surroundings on the pretrained model; the others see spectra only, need no model, and take seconds</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source> %</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pixels of lower confidence get a class of their own, 'unknown'</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Off</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{0} × {0} px</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Each pixel gets the most frequent class of the square around it</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source> px</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Minimum mapping unit: smaller regions join their largest neighbour</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Classifier</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Unknown below</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Smooth by majority</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Smallest region</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>unknown below {} %</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>smoothed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>from {} px</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>More</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>MapProducts</name>
        <message>
            <source>Polygoni&amp;ze</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Where to Label Ne&amp;xt</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The map's regions with class, area and confidence, as a GeoPackage</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>20 places in doubt, spread over the scene, to be labelled</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Outlining the map's regions</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Looking for places to label</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Mapping with probabilities</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Points to label</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>MapSection</name>
        <message>
            <source>6  Map</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Previe&amp;w</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Map Scene</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Map what the map window shows, as a temporary layer</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Map the whole raster into a GeoTIFF, with its confidence</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Polygons or classifier have changed since {}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The filters have changed since {}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Map: {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Ready to map.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pretrain the scene first, or choose another classifier under More.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Draw polygons of at least two classes.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Draw more of {}: each class needs {} pixels.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The map window shows no part of the scene; zoom to it first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Learning the classes</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Mapping the view</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Mapping the scene</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{}…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Canceled; nothing was changed.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Class map</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Preview</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>MapView</name>
        <message>
            <source>Opacity of the map over the scene</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Flic&amp;ker</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Show the map and the scene in turn</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Con&amp;fidence</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Map Scene writes the confidence too.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Class</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pixels</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Area</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pixels and area of each class in the map</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Opacit&amp;y</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Show how sure the classifier is, from 0 to 1</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Confidence</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>MatrixView</name>
        <message>
            <source>Map</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Reference</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} pixels of {} are mapped as {}</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>MtmsdDock</name>
        <message>
            <source>MTMSD</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} came to its end while QGIS was closed.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} is done after {}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} was removed; the running job goes on with its file.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>PlanPage</name>
        <message>
            <source>Learns, trains, maps and assesses, with PyTorch</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Classifies and assesses with models that others trained</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>For which device PyTorch is installed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Where the environment will lie; an update of the plugin does not touch it</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Fol&amp;der</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>An index of packages that replaces the ordinary one, PyTorch's too</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>http://user:password@host:port; empty: the one QGIS has</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>A folder of wheels, for a machine without network; then none is used</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The Python to build from, or that of an environment that has everything</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Advanced</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Index URL</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pro&amp;xy</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Wheel folder</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>P&amp;ython</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>the ordinary one</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>none</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>the best that is there</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Everything</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Classify &amp;only</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} (≈ {})</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Looking at this machine…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} (Python {}) has all the engine's libraries already: nothing is installed.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>PolygonsSection</name>
        <message>
            <source>4  Training polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Draw a polygon; right click ends it</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Drag a rectangle</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Drag an outline freehand</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Click a pixel: similar neighbours join it</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Select polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Move vertices of a polygon</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Move polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Delete the selected polygons</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Save the polygons to their file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>How far a pixel's spectrum may be from the clicked one</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Add Re&amp;gion</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Take the shown region as a polygon (right click, Enter)</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Tolerance</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Add a class first, and select it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>There are no polygons yet.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>All polygons are saved.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Draw some polygons of {}.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{}; drawing {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>not saved</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Click the corners; right click ends, Escape drops it.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Drag from corner to corner.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Hold the button and go around.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Click a pixel, then move the slider; right click takes the region.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The polygon cannot be brought into the scene's coordinates.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The polygon is outside the scene and was not added.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The polygon crossed itself and was mended into {} parts.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{}; right click or Add Region takes the region.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Delete polygons</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>PretrainingSection</name>
        <message>
            <source>2  Pretraining</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Quick – a first look</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Balanced – good maps</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Paper – as published, needs a GPU</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>How long and how large the model learns</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Automatic</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>CPU</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>NVIDIA GPU</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Apple GPU</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Where the engine computes; automatic takes a GPU if any</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Preset</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Meas&amp;ure</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Run a few steps on this machine to learn how long this preset takes</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>P&amp;retrain</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Take a model that exists, of this scene or one of the same sensor…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The loss of pretraining: it falls fast, then slowly</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>More settings</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Seldom needed; the Processing help lists every number</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The same seed on the same machine gives the same map</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Bands to leave out besides the bad ones that are found</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Single numbers of the preset, as KEY=VALUE</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>See&amp;d</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Leave &amp;out</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Num&amp;bers</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Found the model {} of this scene.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pa&amp;use</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Stop after the present step; what was learned is kept</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Resume</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Learn the scene in the background; go on drawing meanwhile</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Paused; Resume goes on from the last checkpoint.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Model: {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>No model yet: press Pretrain.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Measuring on this machine…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Takes about {} here</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Time on this machine not measured yet</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Measuring the speed</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pausing: writing a checkpoint…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Pretraining</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Starting the engine…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Taking up the job that went on without QGIS…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} {:,.0f} of {:,.0f}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} left</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose a Diffusion Model</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Diffusion models (*.safetensors)</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} is not a diffusion model.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} was learned on a raster with other bands.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The model is of another scene of the same sensor.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>ProgressPage</name>
        <message>
            <source>What the tools said</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Log</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Canceled; what was fetched is kept for the next time.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>It computes on: {}. Open a scene and begin.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>Run</name>
        <message>
            <source>The Processing provider of MTMSD is not loaded.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The algorithm cannot be started.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The algorithm failed; see its log.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>SceneSection</name>
        <message>
            <source>1  Scene</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>No scene chosen</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The hyperspectral raster to map; follows the active layer in the layer tree</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Open a raster file…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;True Colour</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Red 650, green 550, blue 470 nm</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Infrared</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Near infrared 860, red 650, green 550 nm</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;SWIR</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Short-wave 2200, 1650 and near infrared 860 nm</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Size</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Columns × rows, and the size of a pixel</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Bands</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Bands used, of all in the file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Wavelengths</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>From the first to the last used band</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Left out</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Bands that are not used, and why</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>No data</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Share of pixels without data</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>CRS</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Coordinate reference system</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Open a Hyperspectral Raster</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} is not a raster that QGIS can read.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose a hyperspectral raster, or open one.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Looking at the raster…</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} px, {} bands used</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{:.0f} to {:.0f} nm</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>not in the file</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} of {}</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>none</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The bands are not known yet.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The raster has no wavelengths.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>The raster has no bands near {} nm.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>SetUpDialog</name>
        <message>
            <source>Set Up the MTMSD Engine</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Back</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose otherwise: folder, device, source</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Stop; what was fetched is kept for the next time</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Begin: now something is fetched and written</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>C&amp;lose</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Close this window; the set-up goes on and the dock shows it</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Close this window</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Try Again</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Use This Python</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Set Up</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Wait: this machine is being looked at.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>This cannot be set up; the text above says why.</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>SpectraPlot</name>
        <message>
            <source>Point at the scene on the map</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>SpectraSection</name>
        <message>
            <source>5  Spectra</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Mean and standard deviation of each class; dashed: the pixel at the cursor</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Jeffries–Matusita distance of two classes: 0 alike, 2 well apart</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>nm</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>band</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Point at the map; classes appear with their polygons.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Two classes of 5 pixels or more can be compared.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Most alike: {} and {} ({:.2f} of 2)</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>TrainingLayer</name>
        <message>
            <source>Add class</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Rename class</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Recolour class</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Merge classes</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Delete classes</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Add polygon</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Import polygons</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>Workspace</name>
        <message>
            <source>1 training polygon was recovered: it had not been saved.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{:,} training polygons were recovered: not all had been saved.</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Training – {}</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>_Line</name>
        <message>
            <source>Stop this job; what it learned up to now is kept</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>Cancel</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} – stopping…</source>
            <translation type="unfinished" />
        </message>
    </context>
    <context>
        <name>duration</name>
        <message>
            <source>{} s</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} min</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} h {} min</source>
            <translation type="unfinished" />
        </message>
        <message>
            <source>{} days</source>
            <translation type="unfinished" />
        </message>
    </context>
</TS>
