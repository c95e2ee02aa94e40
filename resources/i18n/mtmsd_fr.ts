<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="fr" sourcelanguage="en">
    <context>
        <name>AccuracySection</name>
        <message>
            <source>7  Accuracy</source>
            <translation>7  Précision</translation>
        </message>
        <message>
            <source>Overall: share of the reference pixels that are mapped right; average: mean of the producer's accuracies; κ: Cohen's kappa, 1 at most</source>
            <translation>Globale : part des pixels de référence bien cartographiés ; moyenne : moyenne des précisions du producteur ; κ : kappa de Cohen, 1 au plus</translation>
        </message>
        <message>
            <source>How the pixels that were compared are held apart</source>
            <translation>Comment les pixels comparés sont tenus à l'écart</translation>
        </message>
        <message>
            <source>Producer's accuracy: share of a class's reference pixels that are mapped as it; user's accuracy: share of the pixels mapped as it that are it; F1: their harmonic mean</source>
            <translation>Précision du producteur : part des pixels de référence d'une classe qui sont cartographiés dans cette classe ; précision de l'utilisateur : part des pixels cartographiés dans la classe qui en font vraiment partie ; F1 : leur moyenne harmonique</translation>
        </message>
        <message>
            <source>The same pixels by methods that see spectra only</source>
            <translation>Les mêmes pixels par des méthodes qui ne voient que les spectres</translation>
        </message>
        <message>
            <source>No reference polygons</source>
            <translation>Aucun polygone de référence</translation>
        </message>
        <message>
            <source>Polygons of known class that did not train the map; by their class field</source>
            <translation>Polygones de classe connue qui n'ont pas entraîné la carte ; d'après leur champ de classe</translation>
        </message>
        <message>
            <source>R&amp;eference</source>
            <translation>Ré&amp;férence</translation>
        </message>
        <message>
            <source>&amp;Assess</source>
            <translation>É&amp;valuer</translation>
        </message>
        <message>
            <source>Ope&amp;n Report</source>
            <translation>Ouvrir &amp;le rapport</translation>
        </message>
        <message>
            <source>Doubtful Polygons</source>
            <translation>Polygones douteux</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Choisissez d'abord une scène.</translation>
        </message>
        <message>
            <source>Map the scene first.</source>
            <translation>Cartographiez d'abord la scène.</translation>
        </message>
        <message>
            <source>Choose reference polygons.</source>
            <translation>Choisissez des polygones de référence.</translation>
        </message>
        <message>
            <source>Compare the class map with the reference and write a report</source>
            <translation>Comparer la carte des classes à la référence et écrire un rapport</translation>
        </message>
        <message>
            <source>Not among the map's classes, so counted as wrong: {}</source>
            <translation>Absentes des classes de la carte, donc comptées comme fausses : {}</translation>
        </message>
        <message>
            <source>Show the training polygons that the others call another class</source>
            <translation>Montrer les polygones d'entraînement que les autres rangent dans une autre classe</translation>
        </message>
        <message>
            <source>Choose the stack under More and map: it tells which ones they are.</source>
            <translation>Choisissez le stacking sous Plus et cartographiez : il indique lesquels.</translation>
        </message>
        <message>
            <source>Comparing the map with the reference…</source>
            <translation>Comparaison de la carte à la référence…</translation>
        </message>
        <message>
            <source>Overall accuracy {} on {} reference pixels</source>
            <translation>Précision globale de {} sur {} pixels de référence</translation>
        </message>
        <message>
            <source>No polygons were held out; choose reference polygons.</source>
            <translation>Aucun polygone n'a été réservé ; choisissez des polygones de référence.</translation>
        </message>
        <message>
            <source>Open the full report in the browser</source>
            <translation>Ouvrir le rapport complet dans le navigateur</translation>
        </message>
        <message>
            <source>Write the report of the held-out polygons and open it</source>
            <translation>Écrire le rapport des polygones réservés et l'ouvrir</translation>
        </message>
        <message>
            <source>There is no accuracy yet: map the scene.</source>
            <translation>Pas encore de précision : cartographiez la scène.</translation>
        </message>
        <message>
            <source>Overall &lt;b&gt;{}&lt;/b&gt; · average &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{}&lt;/b&gt;</source>
            <translation>Globale &lt;b&gt;{}&lt;/b&gt; · moyenne &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{}&lt;/b&gt;</translation>
        </message>
        <message>
            <source>Spectra alone, same pixels:</source>
            <translation>Spectres seuls, mêmes pixels :</translation>
        </message>
        <message>
            <source>No spectral baseline was computed.</source>
            <translation>Aucune comparaison spectrale n'a été calculée.</translation>
        </message>
        <message>
            <source>Producer's</source>
            <translation>Producteur</translation>
        </message>
        <message>
            <source>User's</source>
            <translation>Utilisateur</translation>
        </message>
        <message>
            <source>F1</source>
            <translation>F1</translation>
        </message>
        <message>
            <source>Assessing the map</source>
            <translation>Évaluation de la carte</translation>
        </message>
        <message>
            <source>The report cannot be opened; it is {}.</source>
            <translation>Le rapport ne peut pas être ouvert ; il se trouve ici : {}.</translation>
        </message>
        <message>
            <source>Doubtful polygons</source>
            <translation>Polygones douteux</translation>
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation>{} ne peut pas être ouvert comme couche vectorielle.</translation>
        </message>
        <message>
            <source>Polygons that disagree with their class: {}; the layer's table tells which class they fit.</source>
            <translation>Polygones en désaccord avec leur classe : {} ; la table de la couche indique celle qui leur convient.</translation>
        </message>
        <message>
            <source>No polygon disagrees with its class.</source>
            <translation>Aucun polygone n'est en désaccord avec sa classe.</translation>
        </message>
    </context>
    <context>
        <name>AreaFiles</name>
        <message>
            <source>From File…</source>
            <translation>Depuis un fichier…</translation>
        </message>
        <message>
            <source>Polygons, a label raster, SCP's .scpx, or ENVI's ROIs (.xml, .roi as text)</source>
            <translation>Polygones, raster d'étiquettes, .scpx de SCP ou ROI d'ENVI (.xml, .roi en texte)</translation>
        </message>
        <message>
            <source>Export Training Pixels…</source>
            <translation>Exporter les pixels d'entraînement…</translation>
        </message>
        <message>
            <source>Each pixel with its class and band values: GeoPackage and CSV</source>
            <translation>Chaque pixel avec sa classe et ses valeurs par bande : GeoPackage et CSV</translation>
        </message>
        <message>
            <source>Take Polygons from a File</source>
            <translation>Prendre les polygones d'un fichier</translation>
        </message>
        <message>
            <source>Training areas</source>
            <translation>Zones d'entraînement</translation>
        </message>
        <message>
            <source>All files</source>
            <translation>Tous les fichiers</translation>
        </message>
        <message>
            <source>{} has several layers; add the one that is meant to the project.</source>
            <translation>{} a plusieurs couches ; ajoutez au projet celle qui convient.</translation>
        </message>
        <message>
            <source>{} holds neither polygons nor a raster of class numbers.</source>
            <translation>{} ne contient ni polygones ni raster de numéros de classe.</translation>
        </message>
    </context>
    <context>
        <name>Attached</name>
        <message>
            <source>The job in {} was never begun.</source>
            <translation>La tâche dans {} n'a jamais commencé.</translation>
        </message>
    </context>
    <context>
        <name>BetterBaseline</name>
        <message>
            <source>Map with That One</source>
            <translation>Cartographier avec lui</translation>
        </message>
        <message>
            <source>Choose it in the Map section and map the scene again</source>
            <translation>Le choisir dans la section Carte et cartographier de nouveau la scène</translation>
        </message>
        <message>
            <source>A simpler classifier did clearly better: {}, overall accuracy {} against {}.</source>
            <translation>Un classificateur plus simple fait nettement mieux : {}, précision globale {} contre {}.</translation>
        </message>
    </context>
    <context>
        <name>ClassSchemes</name>
        <message>
            <source>Class schemes (*.csv *.qml)</source>
            <translation>Nomenclatures (*.csv *.qml)</translation>
        </message>
        <message>
            <source>Load a Class Scheme…</source>
            <translation>Charger une nomenclature…</translation>
        </message>
        <message>
            <source>Classes from a CSV (value, name, colour) or a style (QML)</source>
            <translation>Classes d'un CSV (value, name, color) ou d'un style (QML)</translation>
        </message>
        <message>
            <source>Save the Class Scheme…</source>
            <translation>Enregistrer la nomenclature…</translation>
        </message>
        <message>
            <source>The classes as a CSV (value, name, colour) or a style (QML)</source>
            <translation>Les classes en CSV (value, name, color) ou en style (QML)</translation>
        </message>
        <message>
            <source>Load a Class Scheme</source>
            <translation>Charger une nomenclature</translation>
        </message>
        <message>
            <source>{} classes were loaded from {}.</source>
            <translation>{} classes chargées depuis {}.</translation>
        </message>
        <message>
            <source>Of another number than in the file: {}.</source>
            <translation>Numéro différent de celui du fichier : {}.</translation>
        </message>
        <message>
            <source>Save the Class Scheme</source>
            <translation>Enregistrer la nomenclature</translation>
        </message>
        <message>
            <source>The classes were saved to {}.</source>
            <translation>Les classes ont été enregistrées dans {}.</translation>
        </message>
    </context>
    <context>
        <name>ClassesSection</name>
        <message>
            <source>3  Classes</source>
            <translation>3  Classes</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Nom</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polygones</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Pixels</translation>
        </message>
        <message>
            <source>Double-click a name or a colour to change it; the selected class is drawn</source>
            <translation>Double-cliquez sur un nom ou une couleur pour les changer ; la classe choisie est dessinée</translation>
        </message>
        <message>
            <source>From &amp;Layer</source>
            <translation>Depuis une couc&amp;he</translation>
        </message>
        <message>
            <source>Give the selected polygons this class</source>
            <translation>Donner cette classe aux polygones sélectionnés</translation>
        </message>
        <message>
            <source>Class {}; double-click to recolour</source>
            <translation>Classe {} ; double-cliquez pour changer la couleur</translation>
        </message>
        <message>
            <source>{} (key {})</source>
            <translation>{} (touche {})</translation>
        </message>
        <message>
            <source>Spectra of a library: {}</source>
            <translation>Spectres de bibliothèque : {}</translation>
        </message>
        <message>
            <source>Too few: at least {} pixels are needed</source>
            <translation>Trop peu : il faut au moins {} pixels</translation>
        </message>
        <message>
            <source>Few: draw some more, {} pixels or so</source>
            <translation>Peu : dessinez-en davantage, environ {} pixels</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Choisissez d'abord une scène.</translation>
        </message>
        <message>
            <source>Reading the layer…</source>
            <translation>Lecture de la couche…</translation>
        </message>
        <message>
            <source>Add a class, or take classes from a layer.</source>
            <translation>Ajoutez une classe ou prenez des classes d'une couche.</translation>
        </message>
        <message>
            <source>One class; add a second one.</source>
            <translation>Une classe ; ajoutez-en une deuxième.</translation>
        </message>
        <message>
            <source>Too few pixels: {}</source>
            <translation>Trop peu de pixels : {}</translation>
        </message>
        <message>
            <source>{} classes, {} pixels</source>
            <translation>{} classes, {} pixels</translation>
        </message>
        <message>
            <source>from a library alone: {}</source>
            <translation>d'une bibliothèque seule : {}</translation>
        </message>
        <message>
            <source>{} are in two classes: the later polygon counts</source>
            <translation>{} dans deux classes : le dernier polygone compte</translation>
        </message>
        <message>
            <source>{} outside the scene or without data</source>
            <translation>{} hors de la scène ou sans données</translation>
        </message>
        <message>
            <source>{} without a class</source>
            <translation>{} sans classe</translation>
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation>Attendez que la couche soit lue.</translation>
        </message>
        <message>
            <source>Select two or more classes (Ctrl and click).</source>
            <translation>Sélectionnez au moins deux classes (Ctrl et clic).</translation>
        </message>
        <message>
            <source>Select a class.</source>
            <translation>Sélectionnez une classe.</translation>
        </message>
        <message>
            <source>Add a class</source>
            <translation>Ajouter une classe</translation>
        </message>
        <message>
            <source>Merge the selected classes into the first</source>
            <translation>Fusionner les classes sélectionnées dans la première</translation>
        </message>
        <message>
            <source>Delete the selected classes and their polygons</source>
            <translation>Supprimer les classes sélectionnées et leurs polygones</translation>
        </message>
        <message>
            <source>Take classes and polygons from a polygon layer or a label raster</source>
            <translation>Prendre classes et polygones d'une couche de polygones ou d'un raster d'étiquettes</translation>
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation>Sélectionnez d'abord des polygones.</translation>
        </message>
        <message>
            <source>Deleted {} with all polygons; Undo brings them back.</source>
            <translation>{} supprimé avec tous les polygones ; Annuler les ramène.</translation>
        </message>
        <message>
            <source>There is a class '{}' already; merge the two instead.</source>
            <translation>Il y a déjà une classe '{}' ; fusionnez plutôt les deux.</translation>
        </message>
        <message>
            <source>Colour of {}</source>
            <translation>Couleur de {}</translation>
        </message>
        <message>
            <source>No polygon layer or label raster in the project</source>
            <translation>Aucune couche de polygones ni raster d'étiquettes dans le projet</translation>
        </message>
        <message>
            <source>{} taken from {}.</source>
            <translation>{} pris de {}.</translation>
        </message>
    </context>
    <context>
        <name>Comparison</name>
        <message>
            <source>Flic&amp;ker</source>
            <translation>&amp;Basculer</translation>
        </message>
        <message>
            <source>Swipe</source>
            <translation>Volet</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Cliquez d'abord sur Cartographier.</translation>
        </message>
        <message>
            <source>Show the map and the scene in turn</source>
            <translation>Montrer tour à tour la carte et la scène</translation>
        </message>
        <message>
            <source>A line in the map window parts the map from the scene</source>
            <translation>Une ligne dans la fenêtre de carte sépare la carte de la scène</translation>
        </message>
    </context>
    <context>
        <name>Engine</name>
        <message>
            <source>MTMSD Engine</source>
            <translation>Moteur MTMSD</translation>
        </message>
    </context>
    <context>
        <name>EngineFacts</name>
        <message>
            <source>State</source>
            <translation>État</translation>
        </message>
        <message>
            <source>Ready, outdated, broken or being checked</source>
            <translation>Prêt, périmé, défectueux ou en cours de vérification</translation>
        </message>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>The version of plugin and engine</source>
            <translation>La version de l'extension et du moteur</translation>
        </message>
        <message>
            <source>Python</source>
            <translation>Python</translation>
        </message>
        <message>
            <source>The engine's interpreter</source>
            <translation>L'interpréteur du moteur</translation>
        </message>
        <message>
            <source>PyTorch</source>
            <translation>PyTorch</translation>
        </message>
        <message>
            <source>The library that learns</source>
            <translation>La bibliothèque qui apprend</translation>
        </message>
        <message>
            <source>Devices</source>
            <translation>Appareils</translation>
        </message>
        <message>
            <source>What computes, and its free memory</source>
            <translation>Ce qui calcule, et sa mémoire libre</translation>
        </message>
        <message>
            <source>not looked at yet: Verify tells</source>
            <translation>pas encore examiné : cliquez sur Vérifier</translation>
        </message>
        <message>
            <source>none; ONNX Runtime {}, which classifies only</source>
            <translation>aucun ; ONNX Runtime {}, qui ne fait que classer</translation>
        </message>
        <message>
            <source>{} does not compute: {}</source>
            <translation>{} ne calcule pas : {}</translation>
        </message>
        <message>
            <source>{}: {} free</source>
            <translation>{} : {} libres</translation>
        </message>
    </context>
    <context>
        <name>EnginePanel</name>
        <message>
            <source>Set Up Engine…</source>
            <translation>Installer le moteur…</translation>
        </message>
        <message>
            <source>Says what is installed, from where and how large, before anything is done</source>
            <translation>Dit ce qui est installé, d'où et de quelle taille, avant de rien faire</translation>
        </message>
        <message>
            <source>Choose Interpreter…</source>
            <translation>Choisir l'interpréteur…</translation>
        </message>
        <message>
            <source>The python program of an environment that has the engine's libraries already</source>
            <translation>Le programme python d'un environnement qui a déjà les bibliothèques du moteur</translation>
        </message>
        <message>
            <source>&amp;Verify</source>
            <translation>&amp;Vérifier</translation>
        </message>
        <message>
            <source>Start the engine: imports, a computation on each device, a raster</source>
            <translation>Démarrer le moteur : importations, un calcul sur chaque appareil, un raster</translation>
        </message>
        <message>
            <source>&amp;Update…</source>
            <translation>Mettre à jo&amp;ur…</translation>
        </message>
        <message>
            <source>Set the engine up anew; the old one stays until the new one works</source>
            <translation>Installer le moteur de nouveau ; l'ancien reste jusqu'à ce que le nouveau fonctionne</translation>
        </message>
        <message>
            <source>&amp;Remove…</source>
            <translation>&amp;Retirer…</translation>
        </message>
        <message>
            <source>Delete the engine's environment; models and maps stay</source>
            <translation>Supprimer l'environnement du moteur ; modèles et cartes restent</translation>
        </message>
        <message>
            <source>Copy &amp;Diagnostics</source>
            <translation>Copier le &amp;diagnostic</translation>
        </message>
        <message>
            <source>Put one text on the clipboard that tells a helper all; without names</source>
            <translation>Mettre dans le presse-papiers un texte qui dit tout à qui vous aide ; sans noms</translation>
        </message>
        <message>
            <source>More</source>
            <translation>Plus</translation>
        </message>
        <message>
            <source>Verify, update or remove the engine; copy diagnostics</source>
            <translation>Vérifier, mettre à jour ou retirer le moteur ; copier le diagnostic</translation>
        </message>
        <message>
            <source>The engine is being set up; QGIS can be used meanwhile.</source>
            <translation>Le moteur s'installe ; QGIS reste utilisable pendant ce temps.</translation>
        </message>
        <message>
            <source>Show Set-Up…</source>
            <translation>Voir l'installation…</translation>
        </message>
        <message>
            <source>The engine is started: this takes up to a minute…</source>
            <translation>Le moteur démarre : cela prend jusqu'à une minute…</translation>
        </message>
        <message>
            <source>Verified: the engine computes, and reads and writes rasters.</source>
            <translation>Vérifié : le moteur calcule, lit et écrit des rasters.</translation>
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation>Attendez que le moteur soit installé.</translation>
        </message>
        <message>
            <source>Wait until the engine is removed.</source>
            <translation>Attendez que le moteur soit retiré.</translation>
        </message>
        <message>
            <source>Wait for the check.</source>
            <translation>Attendez la vérification.</translation>
        </message>
        <message>
            <source>There is no engine yet.</source>
            <translation>Il n'y a pas encore de moteur.</translation>
        </message>
        <message>
            <source>There is no engine that was set up here.</source>
            <translation>Il n'y a pas de moteur installé ici.</translation>
        </message>
        <message>
            <source>Choose the Engine's Python</source>
            <translation>Choisir le Python du moteur</translation>
        </message>
        <message>
            <source>Remove the Engine</source>
            <translation>Retirer le moteur</translation>
        </message>
        <message>
            <source>Delete the engine's environment in {}?</source>
            <translation>Supprimer l'environnement du moteur dans {} ?</translation>
        </message>
        <message>
            <source>Models, maps and jobs stay.</source>
            <translation>Modèles, cartes et tâches restent.</translation>
        </message>
        <message>
            <source>&amp;Remove</source>
            <translation>&amp;Retirer</translation>
        </message>
        <message>
            <source>&amp;Keep</source>
            <translation>&amp;Garder</translation>
        </message>
        <message>
            <source>Looking at the machine…</source>
            <translation>Examen de la machine…</translation>
        </message>
        <message>
            <source>Copied: paste it into your report.</source>
            <translation>Copié : collez-le dans votre message.</translation>
        </message>
    </context>
    <context>
        <name>EngineSection</name>
        <message>
            <source>Engine</source>
            <translation>Moteur</translation>
        </message>
        <message>
            <source>Being set up</source>
            <translation>Installation en cours</translation>
        </message>
    </context>
    <context>
        <name>Facts</name>
        <message>
            <source>The engine cannot be started: {}.</source>
            <translation>Le moteur ne peut pas démarrer : {}.</translation>
        </message>
        <message>
            <source>The engine said nothing about the raster.</source>
            <translation>Le moteur n'a rien dit du raster.</translation>
        </message>
    </context>
    <context>
        <name>FirstSteps</name>
        <message>
            <source>First steps</source>
            <translation>Premiers pas</translation>
        </message>
        <message>
            <source>Close this card for good</source>
            <translation>Fermer cet encart définitivement</translation>
        </message>
        <message>
            <source>Try the Sample Scene</source>
            <translation>Essayer l'exemple</translation>
        </message>
        <message>
            <source>Open the scene that comes along, with classes and polygons, as a project</source>
            <translation>Ouvrir comme projet la scène fournie, avec classes et polygones</translation>
        </message>
        <message>
            <source>Tutorial</source>
            <translation>Tutoriel</translation>
        </message>
        <message>
            <source>From the sample to a map, step by step, in the browser</source>
            <translation>De l'exemple à une carte, pas à pas, dans le navigateur</translation>
        </message>
        <message>
            <source>Go to this section</source>
            <translation>Aller à cette section</translation>
        </message>
        <message>
            <source>Nothing waits for you.</source>
            <translation>Rien à faire pour l'instant.</translation>
        </message>
        <message>
            <source>Next, {}: {}</source>
            <translation>Ensuite, {} : {}</translation>
        </message>
    </context>
    <context>
        <name>ImportDialog</name>
        <message>
            <source>Take Polygons from {}</source>
            <translation>Prendre les polygones de {}</translation>
        </message>
        <message>
            <source>Numbers or names of the classes</source>
            <translation>Numéros ou noms des classes</translation>
        </message>
        <message>
            <source>The field {} was guessed by its name.</source>
            <translation>Le champ {} a été deviné d'après son nom.</translation>
        </message>
        <message>
            <source>Class &amp;field</source>
            <translation>&amp;Champ de classe</translation>
        </message>
        <message>
            <source>In the layer</source>
            <translation>Dans la couche</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polygones</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Pixels</translation>
        </message>
        <message>
            <source>Becomes</source>
            <translation>Devient</translation>
        </message>
        <message>
            <source>&amp;Merge names that differ in capitals or blanks only</source>
            <translation>&amp;Fusionner les noms identiques aux majuscules et espaces près</translation>
        </message>
        <message>
            <source>&amp;Take Polygons</source>
            <translation>&amp;Prendre les polygones</translation>
        </message>
        <message>
            <source>Choose the field that holds the classes.</source>
            <translation>Choisissez le champ qui contient les classes.</translation>
        </message>
        <message>
            <source>Reading…</source>
            <translation>Lecture…</translation>
        </message>
    </context>
    <context>
        <name>JobsSection</name>
        <message>
            <source>8  Jobs</source>
            <translation>8  Tâches</translation>
        </message>
        <message>
            <source>Job</source>
            <translation>Tâche</translation>
        </message>
        <message>
            <source>Started</source>
            <translation>Commencée</translation>
        </message>
        <message>
            <source>State</source>
            <translation>État</translation>
        </message>
        <message>
            <source>The newest jobs; each has a folder with its log</source>
            <translation>Les tâches les plus récentes ; chacune a un dossier avec son journal</translation>
        </message>
        <message>
            <source>S&amp;how Log…</source>
            <translation>&amp;Journal…</translation>
        </message>
        <message>
            <source>&amp;Job Folder</source>
            <translation>&amp;Dossier</translation>
        </message>
        <message>
            <source>Cancel Job…</source>
            <translation>Annuler…</translation>
        </message>
        <message>
            <source>{} running</source>
            <translation>{} en cours</translation>
        </message>
        <message>
            <source>None running; {ended} ended, the last with {warnings}</source>
            <translation>Aucune en cours ; {ended} terminées, la dernière avec {warnings}</translation>
        </message>
        <message>
            <source>None running; {} ended</source>
            <translation>Aucune en cours ; {} terminées</translation>
        </message>
        <message>
            <source>No jobs yet.</source>
            <translation>Pas encore de tâches.</translation>
        </message>
        <message>
            <source>running</source>
            <translation>en cours</translation>
        </message>
        <message>
            <source>done</source>
            <translation>terminée</translation>
        </message>
        <message>
            <source>canceled</source>
            <translation>annulée</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>échouée</translation>
        </message>
        <message>
            <source>Select a job.</source>
            <translation>Sélectionnez une tâche.</translation>
        </message>
        <message>
            <source>Show what the job said</source>
            <translation>Montrer ce que la tâche a dit</translation>
        </message>
        <message>
            <source>Open the job's folder</source>
            <translation>Ouvrir le dossier de la tâche</translation>
        </message>
        <message>
            <source>The job does not run any more.</source>
            <translation>La tâche n'est plus en cours.</translation>
        </message>
        <message>
            <source>Stop this job</source>
            <translation>Arrêter cette tâche</translation>
        </message>
        <message>
            <source>Log of {}</source>
            <translation>Journal de {}</translation>
        </message>
        <message>
            <source>Job of Another QGIS</source>
            <translation>Tâche d'un autre QGIS</translation>
        </message>
        <message>
            <source>Whoever started it waits for its result.</source>
            <translation>La personne qui l'a lancée attend son résultat.</translation>
        </message>
        <message>
            <source>Cancel Their Job</source>
            <translation>Annuler quand même</translation>
        </message>
        <message>
            <source>Let It Go On</source>
            <translation>La laisser continuer</translation>
        </message>
    </context>
    <context>
        <name>LabelPoints</name>
        <message>
            <source>The two classes that are in doubt there</source>
            <translation>Les deux classes entre lesquelles il y a doute ici</translation>
        </message>
        <message>
            <source>Label It</source>
            <translation>Étiqueter</translation>
        </message>
        <message>
            <source>Give this pixel a class, as a training polygon</source>
            <translation>Donner une classe à ce pixel, comme polygone d'entraînement</translation>
        </message>
        <message>
            <source>Next Point</source>
            <translation>Point suivant</translation>
        </message>
        <message>
            <source>Leave this one and go to the next</source>
            <translation>Laisser celui-ci et passer au suivant</translation>
        </message>
        <message>
            <source>Zoom to It</source>
            <translation>Zoomer</translation>
        </message>
        <message>
            <source>Show the point in the middle of the map window</source>
            <translation>Montrer le point au milieu de la fenêtre de carte</translation>
        </message>
        <message>
            <source>See-through map</source>
            <translation>Carte transparente</translation>
        </message>
        <message>
            <source>The scene shines through the map while the points are visited</source>
            <translation>La scène transparaît sous la carte pendant la visite des points</translation>
        </message>
        <message>
            <source>Point {} of {}: {} or {}?</source>
            <translation>Point {} sur {} : {} ou {} ?</translation>
        </message>
        <message>
            <source>That was the last point. Map anew to see what it gained.</source>
            <translation>C'était le dernier point. Cartographiez de nouveau pour voir le gain.</translation>
        </message>
        <message>
            <source>The point cannot be brought into the map window's coordinates.</source>
            <translation>Le point ne peut pas être converti dans les coordonnées de la fenêtre de carte.</translation>
        </message>
    </context>
    <context>
        <name>LabellingKeys</name>
        <message>
            <source>MTMSD: take class {} of the table</source>
            <translation>MTMSD : prendre la classe {} du tableau</translation>
        </message>
        <message>
            <source>MTMSD: {}</source>
            <translation>MTMSD : {}</translation>
        </message>
        <message>
            <source>draw a polygon</source>
            <translation>dessiner un polygone</translation>
        </message>
        <message>
            <source>draw a rectangle</source>
            <translation>tracer un rectangle</translation>
        </message>
        <message>
            <source>draw freehand</source>
            <translation>dessiner à main levée</translation>
        </message>
        <message>
            <source>grow a region</source>
            <translation>faire croître une région</translation>
        </message>
        <message>
            <source>undo a step of the training polygons</source>
            <translation>annuler une étape des polygones d'entraînement</translation>
        </message>
        <message>
            <source>give the selected polygons the class</source>
            <translation>donner la classe aux polygones sélectionnés</translation>
        </message>
        <message>
            <source>next point to label</source>
            <translation>point à étiqueter suivant</translation>
        </message>
        <message>
            <source>MTMSD: end the polygon or take the region</source>
            <translation>MTMSD : terminer le polygone ou prendre la région</translation>
        </message>
        <message>
            <source>MTMSD: give the point to label the class</source>
            <translation>MTMSD : donner la classe au point à étiqueter</translation>
        </message>
    </context>
    <context>
        <name>LayoutButton</name>
        <message>
            <source>Print Layout</source>
            <translation>Mise en page</translation>
        </message>
        <message>
            <source>As PDF…</source>
            <translation>En PDF…</translation>
        </message>
        <message>
            <source>As PNG…</source>
            <translation>En PNG…</translation>
        </message>
        <message>
            <source>A page with map, legend with areas, scale, north, accuracy and attribution</source>
            <translation>Une page avec carte, légende et surfaces, échelle, nord, précision et source des données</translation>
        </message>
        <message>
            <source>Save the Print Layout</source>
            <translation>Enregistrer la mise en page</translation>
        </message>
        <message>
            <source>The page was saved to {}.</source>
            <translation>La page a été enregistrée dans {}.</translation>
        </message>
        <message>
            <source>{} cannot be written.</source>
            <translation>{} ne peut pas être écrit.</translation>
        </message>
        <message>
            <source>Class map of {}</source>
            <translation>Carte des classes de {}</translation>
        </message>
        <message>
            <source>{} px</source>
            <translation>{} px</translation>
        </message>
        <message>
            <source>The accuracy of this map was not assessed.</source>
            <translation>La précision de cette carte n'a pas été évaluée.</translation>
        </message>
        <message>
            <source>Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.</source>
            <translation>Précision globale {overall}, kappa {kappa}, sur {n} pixels de référence.</translation>
        </message>
        <message>
            <source>Data: {}</source>
            <translation>Données : {}</translation>
        </message>
        <message>
            <source>Classified by MTMSD for QGIS, {}</source>
            <translation>Classé par MTMSD pour QGIS, {}</translation>
        </message>
    </context>
    <context>
        <name>LossCurve</name>
        <message>
            <source>Loss: waiting for the first steps</source>
            <translation>Perte : attente des premières itérations</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>Perte</translation>
        </message>
        <message>
            <source>step {}</source>
            <translation>itération {}</translation>
        </message>
    </context>
    <context>
        <name>MTMSD</name>
        <message>
            <source>1 polygon</source>
            <translation>1 polygone</translation>
        </message>
        <message numerus="yes">
            <source>%Ln polygons</source>
            <translation>
                <numerusform>%Ln polygone</numerusform>
                <numerusform>%Ln polygones</numerusform>
            </translation>
        </message>
        <message>
            <source>1 pixel</source>
            <translation>1 pixel</translation>
        </message>
        <message numerus="yes">
            <source>%Ln pixels</source>
            <translation>
                <numerusform>%Ln pixel</numerusform>
                <numerusform>%Ln pixels</numerusform>
            </translation>
        </message>
        <message>
            <source>1 warning</source>
            <translation>1 avertissement</translation>
        </message>
        <message numerus="yes">
            <source>%Ln warnings</source>
            <translation>
                <numerusform>%Ln avertissement</numerusform>
                <numerusform>%Ln avertissements</numerusform>
            </translation>
        </message>
        <message>
            <source>no message</source>
            <translation>aucun message</translation>
        </message>
        <message>
            <source>{} could not be read: {}.</source>
            <translation>{} n'a pas pu être lu : {}.</translation>
        </message>
        <message>
            <source>the plugin's setting {}</source>
            <translation>le paramètre {} de l'extension</translation>
        </message>
        <message>
            <source>the environment variable {}</source>
            <translation>la variable d'environnement {}</translation>
        </message>
        <message>
            <source>the plugin's own environment folder</source>
            <translation>le dossier d'environnement propre à l'extension</translation>
        </message>
        <message>
            <source>Choose another interpreter for the engine (now named by {source}).</source>
            <translation>Choisissez un autre interpréteur pour le moteur (actuellement défini par {source}).</translation>
        </message>
        <message>
            <source>{python} is QGIS itself, not a Python interpreter.</source>
            <translation>{python} est QGIS lui-même, pas un interpréteur Python.</translation>
        </message>
        <message>
            <source>{python} cannot be started as the engine's Python: {reason}.</source>
            <translation>{python} ne peut pas être démarré comme Python du moteur : {reason}.</translation>
        </message>
        <message>
            <source>{python} did not answer within {seconds} s.</source>
            <translation>{python} n'a pas répondu en {seconds} s.</translation>
        </message>
        <message>
            <source>{python} {ended} when the engine was looked for ({last}).</source>
            <translation>{python} {ended} quand le moteur y a été cherché ({last}).</translation>
        </message>
        <message>
            <source>{python} does not answer like a Python interpreter.</source>
            <translation>{python} ne répond pas comme un interpréteur Python.</translation>
        </message>
        <message>
            <source>{python} is Python {version}; the engine needs 3.10 or newer.</source>
            <translation>{python} est Python {version} ; le moteur demande 3.10 ou plus récent.</translation>
        </message>
        <message>
            <source>The engine's Python {python} lacks {libraries}.</source>
            <translation>Il manque au Python du moteur {python} : {libraries}.</translation>
        </message>
        <message>
            <source>The MTMSD engine is not set up: there is no Python environment for it. Press Set Up Engine… in the dock, or choose an interpreter that has its libraries.</source>
            <translation>Le moteur MTMSD n'est pas installé : il n'a pas d'environnement Python. Cliquez sur Installer le moteur… dans le panneau, ou choisissez un interpréteur qui a ses bibliothèques.</translation>
        </message>
        <message>
            <source>The engine's Python {python}, named by {source}, does not exist.</source>
            <translation>Le Python du moteur {python}, défini par {source}, n'existe pas.</translation>
        </message>
        <message>
            <source>The job goes on without QGIS.</source>
            <translation>La tâche continue sans QGIS.</translation>
        </message>
        <message>
            <source>The engine has been silent for {} s; cancel it if that stays so.</source>
            <translation>Le moteur n'a rien signalé depuis {} s ; annulez si cela dure.</translation>
        </message>
        <message>
            <source>Canceled.</source>
            <translation>Annulé.</translation>
        </message>
        <message>
            <source>The log is {}.</source>
            <translation>Le journal est {}.</translation>
        </message>
        <message>
            <source>The engine ended without a result.</source>
            <translation>Le moteur s'est arrêté sans résultat.</translation>
        </message>
        <message>
            <source>The engine {ended} before it had a result (perhaps memory ran out){last}.</source>
            <translation>Le moteur {ended} avant d'avoir un résultat (peut-être par manque de mémoire){last}.</translation>
        </message>
        <message>
            <source>The engine {ended} before it had a result{last}.</source>
            <translation>Le moteur {ended} avant d'avoir un résultat{last}.</translation>
        </message>
        <message>
            <source>was killed ({})</source>
            <translation>a été tué ({})</translation>
        </message>
        <message>
            <source>was killed (signal {})</source>
            <translation>a été tué (signal {})</translation>
        </message>
        <message>
            <source>crashed ({})</source>
            <translation>a planté ({})</translation>
        </message>
        <message>
            <source>ended with status {}</source>
            <translation>s'est terminé avec le statut {}</translation>
        </message>
        <message>
            <source>The engine was made by a newer plugin ({theirs}; this one is {ours}) and may not fit. Get the newer plugin, or press Update to build the engine for this one.</source>
            <translation>Le moteur a été installé par une extension plus récente ({theirs} ; celle-ci est {ours}) et peut ne pas convenir. Prenez l'extension plus récente, ou cliquez sur Mettre à jour pour construire le moteur pour celle-ci.</translation>
        </message>
        <message>
            <source>The engine was set up by another version of the plugin ({theirs}; this one is {ours}) and has other packages. Press Update; it works until then.</source>
            <translation>Le moteur a été installé par une autre version de l'extension ({theirs} ; celle-ci est {ours}) et a d'autres paquets. Cliquez sur Mettre à jour ; il fonctionne jusque-là.</translation>
        </message>
        <message>
            <source>unknown</source>
            <translation>inconnue</translation>
        </message>
        <message>
            <source>First map, without the diffusion model that is there now: map once more.</source>
            <translation>Première carte, sans le modèle de diffusion désormais disponible : cartographiez de nouveau.</translation>
        </message>
        <message>
            <source>First map, without a diffusion model. How much pretraining adds here, the left-out polygons tell after it.</source>
            <translation>Première carte, sans modèle de diffusion. Après un préentraînement, les polygones mis de côté diront ce qu'il apporte ici.</translation>
        </message>
        <message>
            <source>Map with the diffusion model, which has {} of the say.</source>
            <translation>Carte avec le modèle de diffusion, dont le poids est de {}.</translation>
        </message>
        <message>
            <source>Left-out pixels that are right: {}, {} without it.</source>
            <translation>Pixels mis de côté bien classés : {}, {} sans lui.</translation>
        </message>
        <message>
            <source>Diffusion model</source>
            <translation>Modèle de diffusion</translation>
        </message>
        <message>
            <source>Regions with true edges</source>
            <translation>Régions aux contours réels</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>Méthode</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Scène</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Bandes</translation>
        </message>
        <message>
            <source>Classes</source>
            <translation>Classes</translation>
        </message>
        <message>
            <source>Training pixels</source>
            <translation>Pixels d'entraînement</translation>
        </message>
        <message>
            <source>Accuracy</source>
            <translation>Précision</translation>
        </message>
        <message>
            <source>{width} × {height} px</source>
            <translation>{width} × {height} px</translation>
        </message>
        <message>
            <source>{used} of {total}</source>
            <translation>{used} sur {total}</translation>
        </message>
        <message>
            <source>Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.</source>
            <translation>Précision globale {overall}, kappa {kappa}, sur {n} pixels de référence.</translation>
        </message>
        <message>
            <source>Classes and areas</source>
            <translation>Classes et surfaces</translation>
        </message>
        <message>
            <source>None of the {} lies in the scene.</source>
            <translation>Rien ne se trouve dans la scène ({}).</translation>
        </message>
        <message>
            <source>The layer has no polygons with a class.</source>
            <translation>La couche n'a aucun polygone avec une classe.</translation>
        </message>
        <message>
            <source>Inside the scene: {}</source>
            <translation>Dans la scène : {}</translation>
        </message>
        <message>
            <source>Outside, not taken: {}</source>
            <translation>Hors de la scène, non pris : {}</translation>
        </message>
        <message>
            <source>Without a class or a shape, not taken: {}</source>
            <translation>Sans classe ou sans géométrie, non pris : {}</translation>
        </message>
        <message>
            <source>In two classes: {}; the later polygon counts</source>
            <translation>Dans deux classes : {} ; le dernier polygone compte</translation>
        </message>
        <message>
            <source>{number} is another class here, so {name} becomes {new}.</source>
            <translation>{number} est déjà une autre classe ici ; {name} reçoit donc le numéro {new}.</translation>
        </message>
        <message>
            <source>Alike: {}</source>
            <translation>Presque identiques : {}</translation>
        </message>
        <message>
            <source>Choose Spectra</source>
            <translation>Choisir des spectres</translation>
        </message>
        <message>
            <source>The engine is being checked…</source>
            <translation>Vérification du moteur…</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>Le moteur est prêt.</translation>
        </message>
        <message>
            <source>A set-up of the engine was begun and not finished; it can go on.</source>
            <translation>Une installation du moteur a été commencée et non achevée ; elle peut continuer.</translation>
        </message>
        <message>
            <source>The engine does the computing, in a Python environment of its own. One click sets it up; QGIS itself stays as it is.</source>
            <translation>Le moteur calcule dans son propre environnement Python. Un clic l'installe ; QGIS lui-même reste tel quel.</translation>
        </message>
        <message>
            <source>being checked</source>
            <translation>en vérification</translation>
        </message>
        <message>
            <source>ready</source>
            <translation>prêt</translation>
        </message>
        <message>
            <source>not set up</source>
            <translation>non installé</translation>
        </message>
        <message>
            <source>broken</source>
            <translation>défectueux</translation>
        </message>
        <message>
            <source>outdated</source>
            <translation>périmé</translation>
        </message>
        <message>
            <source>Preparing the folder</source>
            <translation>Préparation du dossier</translation>
        </message>
        <message>
            <source>Fetching the installer uv</source>
            <translation>Téléchargement de l'installateur uv</translation>
        </message>
        <message>
            <source>Making the Python environment</source>
            <translation>Création de l'environnement Python</translation>
        </message>
        <message>
            <source>Fetching and installing the packages</source>
            <translation>Téléchargement et installation des paquets</translation>
        </message>
        <message>
            <source>Fetching and installing PyTorch</source>
            <translation>Téléchargement et installation de PyTorch</translation>
        </message>
        <message>
            <source>Checking that it computes</source>
            <translation>Vérification que le moteur calcule</translation>
        </message>
        <message>
            <source>Putting it in place</source>
            <translation>Mise en place</translation>
        </message>
        <message>
            <source>Beginning</source>
            <translation>Début</translation>
        </message>
        <message>
            <source>{}: {} of {}</source>
            <translation>{} : {} sur {}</translation>
        </message>
        <message>
            <source>That place is outside the scene.</source>
            <translation>Cet endroit est hors de la scène.</translation>
        </message>
        <message>
            <source>That pixel has no data.</source>
            <translation>Ce pixel n'a pas de données.</translation>
        </message>
        <message>
            <source>Fold or unfold this section</source>
            <translation>Replier ou déplier cette section</translation>
        </message>
        <message>
            <source>What the engine warned of</source>
            <translation>Avertissements du moteur</translation>
        </message>
        <message>
            <source>Not yet possible</source>
            <translation>Pas encore possible</translation>
        </message>
        <message>
            <source>Ready: this can be done now</source>
            <translation>Prêt : cela peut être fait maintenant</translation>
        </message>
        <message>
            <source>Running</source>
            <translation>En cours</translation>
        </message>
        <message>
            <source>Done</source>
            <translation>Terminé</translation>
        </message>
        <message>
            <source>Needs attention</source>
            <translation>Demande attention</translation>
        </message>
        <message>
            <source>Done, with warnings</source>
            <translation>Terminé, avec des avertissements</translation>
        </message>
        <message>
            <source>Jobs Are Running</source>
            <translation>Des tâches sont en cours</translation>
        </message>
        <message>
            <source>The engine is at work:</source>
            <translation>Le moteur travaille :</translation>
        </message>
        <message>
            <source>A job that goes on is taken up again when QGIS is next opened.</source>
            <translation>Une tâche qui continue est reprise à la prochaine ouverture de QGIS.</translation>
        </message>
        <message>
            <source>&amp;Let It Go On</source>
            <translation>&amp;La laisser continuer</translation>
        </message>
        <message>
            <source>&amp;Cancel Job</source>
            <translation>Annuler la tâ&amp;che</translation>
        </message>
        <message>
            <source>&amp;Stay in QGIS</source>
            <translation>Re&amp;ster dans QGIS</translation>
        </message>
        <message>
            <source>{} (from the Toolbox)</source>
            <translation>{} (de la boîte à outils)</translation>
        </message>
        <message>
            <source>{} (of an earlier QGIS)</source>
            <translation>{} (d'un QGIS précédent)</translation>
        </message>
        <message>
            <source>{} (of another QGIS)</source>
            <translation>{} (d'un autre QGIS)</translation>
        </message>
        <message>
            <source>Started by another QGIS: {user} on {host}, process {pid}{since}.</source>
            <translation>Lancée par un autre QGIS : {user} sur {host}, processus {pid}{since}.</translation>
        </message>
        <message>
            <source>&amp;MTMSD</source>
            <translation>&amp;MTMSD</translation>
        </message>
        <message>
            <source>MTMSD Classification</source>
            <translation>Classification MTMSD</translation>
        </message>
        <message>
            <source>Show or hide the MTMSD dock</source>
            <translation>Afficher ou masquer le panneau MTMSD</translation>
        </message>
        <message>
            <source>Try the &amp;Sample Scene</source>
            <translation>E&amp;ssayer la scène d'exemple</translation>
        </message>
        <message>
            <source>&amp;Tutorial</source>
            <translation>&amp;Tutoriel</translation>
        </message>
        <message>
            <source>&amp;Help</source>
            <translation>&amp;Aide</translation>
        </message>
        <message>
            <source>&amp;Engine…</source>
            <translation>Mot&amp;eur…</translation>
        </message>
        <message>
            <source>The job's folder {path} cannot be made: {reason}.</source>
            <translation>Le dossier de la tâche {path} ne peut pas être créé : {reason}.</translation>
        </message>
        <message>
            <source>The file is temporary: it goes when QGIS is closed.</source>
            <translation>Le fichier est temporaire : il disparaît à la fermeture de QGIS.</translation>
        </message>
        <message>
            <source>{lost} of {count} masks cannot be opened: {names}.</source>
            <translation>Masques impossibles à ouvrir : {lost} sur {count} ({names}).</translation>
        </message>
        <message>
            <source>The layer for '{parameter}' cannot be opened: {value}.</source>
            <translation>La couche pour '{parameter}' ne peut pas être ouverte : {value}.</translation>
        </message>
        <message>
            <source>'{layer}' is the scene itself; choose the layer with the polygons.</source>
            <translation>'{layer}' est la scène elle-même ; choisissez la couche des polygones.</translation>
        </message>
        <message>
            <source>The layer '{layer}' has no field '{field}'; it has {fields}.</source>
            <translation>La couche '{layer}' n'a pas de champ '{field}' ; elle a {fields}.</translation>
        </message>
        <message>
            <source>Parameters and outputs</source>
            <translation>Paramètres et sorties</translation>
        </message>
        <message>
            <source>Spectral angle</source>
            <translation>Angle spectral</translation>
        </message>
        <message>
            <source>How far each pixel is from spectra of a library, whatever its brightness.</source>
            <translation>Écart de chaque pixel aux spectres d'une bibliothèque, quelle que soit sa luminosité.</translation>
        </message>
        <message>
            <source>Spectral library</source>
            <translation>Bibliothèque spectrale</translation>
        </message>
        <message>
            <source>Spectra</source>
            <translation>Spectres</translation>
        </message>
        <message>
            <source>ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd).</source>
            <translation>ENVI (.sli), CSV, texte de l'USGS ou d'ECOSTRESS, ASD (.asd).</translation>
        </message>
        <message>
            <source>Names of its spectra, separated by semicolons. Default: all of them.</source>
            <translation>Noms de ses spectres, séparés par des points-virgules. Par défaut : tous.</translation>
        </message>
        <message>
            <source>GeoTIFF with a band a spectrum: the angle in radians, 0 where they are alike.</source>
            <translation>GeoTIFF avec une bande par spectre : l'angle en radians, 0 pour une même forme.</translation>
        </message>
        <message>
            <source>'{part}' in Classes to match is not of the form THEIRS=OURS.</source>
            <translation>'{part}' dans Classes à apparier n'a pas la forme RÉFÉRENCE=CARTE.</translation>
        </message>
        <message>
            <source>Assess a class map</source>
            <translation>Évaluer une carte des classes</translation>
        </message>
        <message>
            <source>Compares a class map with reference polygons and writes an accuracy report.</source>
            <translation>Compare une carte des classes à des polygones de référence et écrit un rapport de précision.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Carte des classes</translation>
        </message>
        <message>
            <source>Reference that was not used for training. Default: none; the report is then that of the polygons held out while the map's classifier was trained.</source>
            <translation>Référence qui n'a pas servi à l'entraînement. Par défaut : aucune ; le rapport est alors celui des polygones réservés pendant l'entraînement du classificateur de la carte.</translation>
        </message>
        <message>
            <source>Classes to match</source>
            <translation>Classes à apparier</translation>
        </message>
        <message>
            <source>The polygons that trained the map; the baselines learn from them. Default: none.</source>
            <translation>Les polygones qui ont entraîné la carte ; les méthodes de comparaison apprennent d'eux. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>Figures</source>
            <translation>Chiffres</translation>
        </message>
        <message>
            <source>The raster that 'Classify a scene' has written.</source>
            <translation>Le raster que 'Classer une scène' a écrit.</translation>
        </message>
        <message>
            <source>Reference polygons</source>
            <translation>Polygones de référence</translation>
        </message>
        <message>
            <source>The map's class for classes of the reference that are called otherwise, by name or number, with semicolons between: 'Wald=forest; 7=water'. 'Weg=' leaves one out, 'Weg=-' counts it as wrong. Default: names and numbers are the map's.</source>
            <translation>La classe de la carte pour les classes de la référence nommées autrement, par nom ou numéro, séparées par des points-virgules : 'Bois=forêt; 7=eau'. 'Chemin=' en exclut une, 'Chemin=-' la compte comme fausse. Par défaut : noms et numéros sont ceux de la carte.</translation>
        </message>
        <message>
            <source>The scene of the map. With it and the training polygons, a support vector machine and a random forest on the plain spectra are reported beside the map. Default: none.</source>
            <translation>La scène de la carte. Avec elle et les polygones d'entraînement, une machine à vecteurs de support et une forêt aléatoire sur les spectres seuls sont rapportées à côté de la carte. Par défaut : aucune.</translation>
        </message>
        <message>
            <source>Training polygons</source>
            <translation>Polygones d'entraînement</translation>
        </message>
        <message>
            <source>The figures as JSON. Default: beside the report.</source>
            <translation>Les chiffres en JSON. Par défaut : à côté du rapport.</translation>
        </message>
        <message>
            <source>Spectral baselines need both the scene and the training polygons; give both or neither.</source>
            <translation>Les comparaisons spectrales demandent la scène et les polygones d'entraînement ; donnez les deux ou aucun.</translation>
        </message>
        <message>
            <source>Change between two class maps</source>
            <translation>Changements entre deux cartes des classes</translation>
        </message>
        <message>
            <source>What became what, as a map and as a table with areas and standard errors.</source>
            <translation>Ce qui est devenu quoi, en carte et en tableau avec surfaces et erreurs types.</translation>
        </message>
        <message>
            <source>Earlier class map</source>
            <translation>Carte des classes antérieure</translation>
        </message>
        <message>
            <source>The class map of the earlier date.</source>
            <translation>La carte des classes de la première date.</translation>
        </message>
        <message>
            <source>Later class map</source>
            <translation>Carte des classes ultérieure</translation>
        </message>
        <message>
            <source>The class map of the later date, on the grid of the earlier one.</source>
            <translation>La carte des classes de la seconde date, sur la grille de la première.</translation>
        </message>
        <message>
            <source>Change map</source>
            <translation>Carte des changements</translation>
        </message>
        <message>
            <source>GeoTIFF with a class for each pair of classes: pale where nothing changed, else in a shade of the later class's colour.</source>
            <translation>GeoTIFF avec une classe par couple de classes : pâle où rien n'a changé, sinon dans une nuance de la couleur de la classe ultérieure.</translation>
        </message>
        <message>
            <source>From-to table</source>
            <translation>Tableau des transitions</translation>
        </message>
        <message>
            <source>Pixels, areas and their standard errors of each pair of classes as CSV.</source>
            <translation>Pixels, surfaces et leurs erreurs types pour chaque couple de classes, en CSV.</translation>
        </message>
        <message>
            <source>Written with the map. Default: none.</source>
            <translation>Écrite avec la carte. Par défaut : aucune.</translation>
        </message>
        <message>
            <source>Unknown below a confidence of</source>
            <translation>Inconnu sous une confiance de</translation>
        </message>
        <message>
            <source>Confidence of the earlier map</source>
            <translation>Confiance de la carte antérieure</translation>
        </message>
        <message>
            <source>Confidence of the later map</source>
            <translation>Confiance de la carte ultérieure</translation>
        </message>
        <message>
            <source>Pixels of lower confidence in one of the maps are counted apart. Default: 0.5.</source>
            <translation>Les pixels de confiance moindre dans l'une des cartes sont comptés à part. Par défaut : 0,5.</translation>
        </message>
        <message>
            <source>Table of equal classes</source>
            <translation>Table des classes équivalentes</translation>
        </message>
        <message>
            <source>Reference of the change</source>
            <translation>Référence du changement</translation>
        </message>
        <message>
            <source>Field with the class before</source>
            <translation>Champ de la classe avant</translation>
        </message>
        <message>
            <source>Field with the class after</source>
            <translation>Champ de la classe après</translation>
        </message>
        <message>
            <source>Columns before,after: classes that are the same though they are called differently. Default: classes of one name are the same.</source>
            <translation>Colonnes before,after : classes identiques bien que nommées différemment. Par défaut : les classes de même nom sont identiques.</translation>
        </message>
        <message>
            <source>Points or polygons with the true class before and after; areas and their standard errors then rest on them. Default: on the held-out polygons of both maps.</source>
            <translation>Points ou polygones avec la vraie classe avant et après ; les surfaces et leurs erreurs types reposent alors sur eux. Par défaut : sur les polygones réservés des deux cartes.</translation>
        </message>
        <message>
            <source>A field of the reference. Default: none.</source>
            <translation>Un champ de la référence. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>The reference of the change needs its two fields, of before and after.</source>
            <translation>La référence du changement demande ses deux champs, celui d'avant et celui d'après.</translation>
        </message>
        <message>
            <source>Classify a scene</source>
            <translation>Classer une scène</translation>
        </message>
        <message>
            <source>Maps a scene with a trained classifier; class map and confidence.</source>
            <translation>Cartographie une scène avec un classificateur entraîné ; carte des classes et confiance.</translation>
        </message>
        <message>
            <source>Classifier</source>
            <translation>Classificateur</translation>
        </message>
        <message>
            <source>Extent</source>
            <translation>Emprise</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written, or the .onnx file of 'Export a classifier'.</source>
            <translation>Le fichier .safetensors que 'Entraîner un classificateur' a écrit, ou le fichier .onnx de 'Exporter un classificateur'.</translation>
        </message>
        <message>
            <source>Only this part of the scene is mapped, on the scene's own pixels. Default: the whole scene.</source>
            <translation>Seule cette partie de la scène est cartographiée, sur les pixels de la scène. Par défaut : toute la scène.</translation>
        </message>
        <message>
            <source>GeoTIFF on the scene's grid with class numbers, names and colours; 0 = no data.</source>
            <translation>GeoTIFF sur la grille de la scène avec numéros, noms et couleurs des classes ; 0 = pas de données.</translation>
        </message>
        <message>
            <source>The extent does not touch the scene '{name}'; choose one that does.</source>
            <translation>L'emprise ne touche pas la scène '{name}' ; choisissez-en une qui la touche.</translation>
        </message>
        <message>
            <source>Classify several scenes</source>
            <translation>Classer plusieurs scènes</translation>
        </message>
        <message>
            <source>Maps scenes of one sensor with one classifier, into a folder or one mosaic.</source>
            <translation>Cartographie les scènes d'un même capteur avec un seul classificateur, dans un dossier ou en une mosaïque.</translation>
        </message>
        <message>
            <source>Folder of the maps</source>
            <translation>Dossier des cartes</translation>
        </message>
        <message>
            <source>Gets a class map for each scene, a GeoTIFF of its name on its grid.</source>
            <translation>Reçoit pour chaque scène une carte des classes : un GeoTIFF de même nom, sur la grille de la scène.</translation>
        </message>
        <message>
            <source>Mosaic</source>
            <translation>Mosaïque</translation>
        </message>
        <message>
            <source>Also one class map of all, blended where they overlap; for scenes on one grid. Default: not written.</source>
            <translation>Aussi une carte des classes de l'ensemble, fondue dans les recouvrements ; pour des scènes sur une même grille. Par défaut : non écrite.</translation>
        </message>
        <message>
            <source>Class maps</source>
            <translation>Cartes des classes</translation>
        </message>
        <message>
            <source>Scenes that were not mapped</source>
            <translation>Scènes non cartographiées</translation>
        </message>
        <message>
            <source>{lost} of {count} scenes are no layers: {names}; give those as scene files.</source>
            <translation>{lost} scènes sur {count} ne sont pas des couches : {names} ; donnez-les comme fichiers de scènes.</translation>
        </message>
        <message>
            <source>There is no scene to map; give layers or files.</source>
            <translation>Il n'y a pas de scène à cartographier ; donnez des couches ou des fichiers.</translation>
        </message>
        <message>
            <source>{count} scenes were mapped, {failed} were not.</source>
            <translation>Scènes cartographiées : {count} ; non cartographiées : {failed}.</translation>
        </message>
        <message>
            <source>Scenes</source>
            <translation>Scènes</translation>
        </message>
        <message>
            <source>Scene files</source>
            <translation>Fichiers de scènes</translation>
        </message>
        <message>
            <source>Hyperspectral rasters of the sensor that the classifier was trained on, on any grids; bands are matched by wavelength. Default: none.</source>
            <translation>Rasters hyperspectraux du capteur sur lequel le classificateur a été entraîné, sur des grilles quelconques ; les bandes sont appariées par longueur d'onde. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>Scenes that are no layers: rasters, products, or a table scenes.csv with the columns scene,output,mask. One that cannot be read is named, and the others go on. Default: none.</source>
            <translation>Scènes qui ne sont pas des couches : rasters, produits, ou un tableau scenes.csv avec les colonnes scene,output,mask. Une scène illisible est signalée et les autres continuent. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>Confidence of each map</source>
            <translation>Confiance de chaque carte</translation>
        </message>
        <message>
            <source>Class probabilities of each map</source>
            <translation>Probabilités des classes de chaque carte</translation>
        </message>
        <message>
            <source>GeoTIFFs in the folder '{name}' beside the maps. Default: no.</source>
            <translation>Des GeoTIFF dans le dossier '{name}' à côté des cartes. Par défaut : non.</translation>
        </message>
        <message>
            <source>Export a classifier</source>
            <translation>Exporter un classificateur</translation>
        </message>
        <message>
            <source>Writes a classifier as ONNX, to map with on machines without PyTorch.</source>
            <translation>Écrit un classificateur en ONNX, pour cartographier sur des machines sans PyTorch.</translation>
        </message>
        <message>
            <source>Exported classifier</source>
            <translation>Classificateur exporté</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written.</source>
            <translation>Le fichier .safetensors que 'Entraîner un classificateur' a écrit.</translation>
        </message>
        <message>
            <source>An .onnx file, all that 'Classify a scene' needs of the classifier.</source>
            <translation>Un fichier .onnx, tout ce que 'Classer une scène' demande du classificateur.</translation>
        </message>
        <message>
            <source>'{name}' does not end in .onnx; choose another name.</source>
            <translation>'{name}' ne se termine pas par .onnx ; choisissez un autre nom.</translation>
        </message>
        <message>
            <source>Export training pixels</source>
            <translation>Exporter les pixels d'entraînement</translation>
        </message>
        <message>
            <source>Each training pixel with its class and band values, as points and as a table.</source>
            <translation>Chaque pixel d'entraînement avec sa classe et ses valeurs par bande, en points et en tableau.</translation>
        </message>
        <message>
            <source>Table</source>
            <translation>Tableau</translation>
        </message>
        <message>
            <source>The polygons whose pixels are written.</source>
            <translation>Les polygones dont les pixels sont écrits.</translation>
        </message>
        <message>
            <source>GeoPackage with a point a pixel: class number and name, polygon, column and row (from 0), x and y, and a column a band, named by its wavelength in nm.</source>
            <translation>GeoPackage avec un point par pixel : numéro et nom de la classe, polygone, colonne et ligne (à partir de 0), x et y, et une colonne par bande, nommée d'après sa longueur d'onde en nm.</translation>
        </message>
        <message>
            <source>The same columns as CSV.</source>
            <translation>Les mêmes colonnes en CSV.</translation>
        </message>
        <message>
            <source>Number of pixels</source>
            <translation>Nombre de pixels</translation>
        </message>
        <message>
            <source>Map a scene from polygons</source>
            <translation>Cartographier une scène à partir de polygones</translation>
        </message>
        <message>
            <source>From a hyperspectral raster and a few polygons to a class map, in one step.</source>
            <translation>D'un raster hyperspectral et de quelques polygones à une carte des classes, en une étape.</translation>
        </message>
        <message>
            <source>The training polygons, at least 3 pixels in each of two or more classes.</source>
            <translation>Les polygones d'entraînement, au moins 3 pixels dans chacune d'au moins deux classes.</translation>
        </message>
        <message>
            <source>Reference that is not used for training. Default: a quarter of the training polygons is held out for the accuracy figures; the map then learns from all of them.</source>
            <translation>Référence qui ne sert pas à l'entraînement. Par défaut : un quart des polygones d'entraînement est réservé aux chiffres de précision ; la carte apprend ensuite de tous.</translation>
        </message>
        <message>
            <source>Validation polygons</source>
            <translation>Polygones de validation</translation>
        </message>
        <message>
            <source>New diffusion model</source>
            <translation>Nouveau modèle de diffusion</translation>
        </message>
        <message>
            <source>With this file the scene is pretrained first, which takes minutes, and the stack listens to the diffusion network too. Default: none; pretrained only if the classifier needs it.</source>
            <translation>Avec ce fichier, la scène est d'abord préentraînée, ce qui prend des minutes, et le stacking tient compte aussi du réseau de diffusion. Par défaut : aucun ; préentraînée seulement si le classificateur le demande.</translation>
        </message>
        <message>
            <source>Kept to map other scenes of the same sensor. Default: not kept.</source>
            <translation>Gardé pour cartographier d'autres scènes du même capteur. Par défaut : non gardé.</translation>
        </message>
        <message>
            <source>Join class maps to a mosaic</source>
            <translation>Assembler des cartes des classes en mosaïque</translation>
        </message>
        <message>
            <source>One class map of many; where they overlap, their probabilities are blended.</source>
            <translation>Une seule carte des classes à partir de plusieurs ; là où elles se recouvrent, leurs probabilités sont fondues.</translation>
        </message>
        <message>
            <source>Probabilities</source>
            <translation>Probabilités</translation>
        </message>
        <message>
            <source>Of each map the layer of probabilities that 'Classify a scene' has written, all with one classifier and on one grid.</source>
            <translation>De chaque carte, la couche de probabilités que 'Classer une scène' a écrite, toutes avec le même classificateur et sur la même grille.</translation>
        </message>
        <message>
            <source>GeoTIFF (COG) with overviews, class numbers, names and colours; 0 = no data.</source>
            <translation>GeoTIFF (COG) avec pyramides, numéros, noms et couleurs des classes ; 0 = pas de données.</translation>
        </message>
        <message>
            <source>There is no map for a mosaic; give the probabilities of each.</source>
            <translation>Il n'y a pas de carte pour la mosaïque ; donnez les probabilités de chacune.</translation>
        </message>
        <message>
            <source>mosaic</source>
            <translation>mosaïque</translation>
        </message>
        <message>
            <source>Where to label next</source>
            <translation>Où étiqueter ensuite</translation>
        </message>
        <message>
            <source>Points in doubt, spread over the scene, with the two classes in question.</source>
            <translation>Points douteux, répartis sur la scène, avec les deux classes en question.</translation>
        </message>
        <message>
            <source>Class probabilities</source>
            <translation>Probabilités des classes</translation>
        </message>
        <message>
            <source>Number of points</source>
            <translation>Nombre de points</translation>
        </message>
        <message>
            <source>Labels that there are already; the points keep away. Default: none.</source>
            <translation>Étiquettes qui existent déjà ; les points s'en tiennent à distance. Par défaut : aucune.</translation>
        </message>
        <message>
            <source>Points to label</source>
            <translation>Points à étiqueter</translation>
        </message>
        <message>
            <source>One band for each class, from 'Classify a scene' or 'Map a scene'.</source>
            <translation>Une bande par classe, de 'Classer une scène' ou 'Cartographier une scène à partir de polygones'.</translation>
        </message>
        <message>
            <source>How many points are proposed. Default: 20.</source>
            <translation>Combien de points sont proposés. Par défaut : 20.</translation>
        </message>
        <message>
            <source>GeoPackage with rank (1 is best), doubt (0 to 1), the two classes in doubt and their probabilities.</source>
            <translation>GeoPackage avec rang (1 est le meilleur), doute (0 à 1), les deux classes en doute et leurs probabilités.</translation>
        </message>
        <message>
            <source>Number of points found</source>
            <translation>Nombre de points trouvés</translation>
        </message>
        <message>
            <source>Pretrain on a scene</source>
            <translation>Préentraîner sur une scène</translation>
        </message>
        <message>
            <source>Learns a hyperspectral scene without labels and writes a diffusion model.</source>
            <translation>Apprend une scène hyperspectrale sans étiquettes et écrit un modèle de diffusion.</translation>
        </message>
        <message>
            <source>A .safetensors file of 5 to 110 MB, to be used by 'Train a classifier' and 'Map a scene from polygons'. Checkpoints lie beside it until it is complete.</source>
            <translation>Un fichier .safetensors de 5 à 110 Mo, pour 'Entraîner un classificateur' et 'Cartographier une scène à partir de polygones'. Des points de reprise sont à côté jusqu'à ce qu'il soit complet.</translation>
        </message>
        <message>
            <source>Parts a scene into regions that are learnt with their classes.</source>
            <translation>Découpe une scène en régions, apprises en même temps que leurs classes.</translation>
        </message>
        <message>
            <source>What the regions are learnt from. Default: none, and regions that were learnt before are taken.</source>
            <translation>Ce dont les régions sont apprises. Par défaut : aucun ; des régions déjà apprises sont alors utilisées.</translation>
        </message>
        <message>
            <source>Size of a region in pixels</source>
            <translation>Taille d'une région en pixels</translation>
        </message>
        <message>
            <source>Side of the squares in which regions begin: 2 at least, the scene's shorter side at most. 0 (default): half of a typical polygon's side, 4 to 16.</source>
            <translation>Côté des carrés dont partent les régions : au moins 2, au plus le petit côté de la scène. 0 (par défaut) : la moitié du côté d'un polygone typique, de 4 à 16.</translation>
        </message>
        <message>
            <source>Achievable segmentation accuracy (0 to 1)</source>
            <translation>Précision de segmentation atteignable (0 à 1)</translation>
        </message>
        <message>
            <source>Number of regions</source>
            <translation>Nombre de régions</translation>
        </message>
        <message>
            <source>Learnt regions</source>
            <translation>Régions apprises</translation>
        </message>
        <message>
            <source>Map to compare with</source>
            <translation>Carte de comparaison</translation>
        </message>
        <message>
            <source>The .safetensors file of an earlier run, of this scene or another of the same sensor: nothing is learnt then. Default: none.</source>
            <translation>Le fichier .safetensors d'une exécution antérieure, de cette scène ou d'une autre du même capteur : rien n'est alors appris. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>A class map of single pixels whose accuracy the report tells beside that of the regions, where both were judged by the same pixels. Default: none.</source>
            <translation>Une carte des classes par pixel, dont le rapport donne la précision à côté de celle des régions si les deux ont été évaluées sur les mêmes pixels. Par défaut : aucune.</translation>
        </message>
        <message>
            <source>Regions</source>
            <translation>Régions</translation>
        </message>
        <message>
            <source>Class map of the regions</source>
            <translation>Carte des classes des régions</translation>
        </message>
        <message>
            <source>New learnt regions</source>
            <translation>Nouvelles régions apprises</translation>
        </message>
        <message>
            <source>GeoPackage with a polygon for each region: class_id, class_name, color, pixels, area_ha, and share_N, the share of each class N.</source>
            <translation>GeoPackage avec un polygone pour chaque région : class_id, class_name, color, pixels, area_ha, et share_N, la part de chaque classe N.</translation>
        </message>
        <message>
            <source>GeoTIFF on the scene's grid: each pixel has the class of its region.</source>
            <translation>GeoTIFF sur la grille de la scène : chaque pixel a la classe de sa région.</translation>
        </message>
        <message>
            <source>Kept to map this scene or another with. Default: not kept.</source>
            <translation>Gardées pour cartographier cette scène ou une autre. Par défaut : non gardées.</translation>
        </message>
        <message>
            <source>Choose training polygons or learnt regions: one of the two.</source>
            <translation>Choisissez des polygones d'entraînement ou des régions apprises : l'un ou l'autre.</translation>
        </message>
        <message>
            <source>Regions cannot begin as squares of 1 px; choose 2 or more, or 0.</source>
            <translation>Les régions ne peuvent pas partir de carrés de 1 px ; choisissez 2 ou plus, ou 0.</translation>
        </message>
        <message>
            <source>Train a classifier</source>
            <translation>Entraîner un classificateur</translation>
        </message>
        <message>
            <source>Learns the classes of training polygons and writes a classifier.</source>
            <translation>Apprend les classes de polygones d'entraînement et écrit un classificateur.</translation>
        </message>
        <message>
            <source>A .safetensors file that holds the diffusion model, the classes with names and colours, and the accuracy on held-out polygons; it is all that 'Classify a scene' needs.</source>
            <translation>Un fichier .safetensors qui contient le modèle de diffusion, les classes avec noms et couleurs, et la précision sur des polygones réservés ; c'est tout ce qu'il faut à 'Classer une scène'.</translation>
        </message>
        <message>
            <source>The classifier 'mtmsd' needs a diffusion model; give the one that 'Pretrain on a scene' has written, or choose another classifier.</source>
            <translation>Le classificateur 'mtmsd' demande un modèle de diffusion ; donnez celui que 'Préentraîner sur une scène' a écrit, ou choisissez un autre classificateur.</translation>
        </message>
        <message>
            <source>Turn a class map into polygons</source>
            <translation>Convertir une carte des classes en polygones</translation>
        </message>
        <message>
            <source>Polygons with class, area and mean confidence, and the area of each class.</source>
            <translation>Polygones avec classe, surface et confiance moyenne, et la surface de chaque classe.</translation>
        </message>
        <message>
            <source>Confidence</source>
            <translation>Confiance</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polygones</translation>
        </message>
        <message>
            <source>Area table</source>
            <translation>Tableau des surfaces</translation>
        </message>
        <message>
            <source>Written with the map; its mean is told for each polygon. Default: none.</source>
            <translation>Écrite avec la carte ; sa moyenne est donnée pour chaque polygone. Par défaut : aucune.</translation>
        </message>
        <message>
            <source>GeoPackage with a polygon for each connected region: class_id, class_name, color, pixels, area_ha, confidence.</source>
            <translation>GeoPackage avec un polygone pour chaque région d'un seul tenant : class_id, class_name, color, pixels, area_ha, confidence.</translation>
        </message>
        <message>
            <source>Pixels, share and hectares of each class as CSV. Default: not written.</source>
            <translation>Pixels, part et hectares de chaque classe en CSV. Par défaut : non écrit.</translation>
        </message>
        <message>
            <source>Number of polygons</source>
            <translation>Nombre de polygones</translation>
        </message>
        <message>
            <source>Overall accuracy (0 to 1)</source>
            <translation>Précision globale (0 à 1)</translation>
        </message>
        <message>
            <source>Average accuracy (0 to 1)</source>
            <translation>Précision moyenne (0 à 1)</translation>
        </message>
        <message>
            <source>Kappa</source>
            <translation>Kappa</translation>
        </message>
        <message>
            <source>The raster layer '{name}' comes from the provider '{provider}', which the engine cannot read; save it as a GeoTIFF and use that.</source>
            <translation>La couche raster '{name}' vient du fournisseur '{provider}', que le moteur ne sait pas lire ; enregistrez-la en GeoTIFF et utilisez celui-ci.</translation>
        </message>
        <message>
            <source>The raster layer '{name}' is only in QGIS's memory; save it as a GeoTIFF and use that.</source>
            <translation>La couche raster '{name}' n'est que dans la mémoire de QGIS ; enregistrez-la en GeoTIFF et utilisez celui-ci.</translation>
        </message>
        <message>
            <source>The layer '{name}' is neither a vector nor a raster layer.</source>
            <translation>La couche '{name}' n'est ni vectorielle ni raster.</translation>
        </message>
        <message>
            <source>No polygon of the layer '{name}' is selected; select some, or leave 'Selected polygons only' off.</source>
            <translation>Aucun polygone de la couche '{name}' n'est sélectionné ; sélectionnez-en ou laissez 'Polygones sélectionnés seulement' décoché.</translation>
        </message>
        <message>
            <source>The layer '{name}' could not be written for the engine: {reason}</source>
            <translation>La couche '{name}' n'a pas pu être écrite pour le moteur : {reason}</translation>
        </message>
        <message>
            <source>Automatic: the stack, with the preset paper MTMSD alone</source>
            <translation>Automatique : le stacking ; avec le préréglage paper, MTMSD seul</translation>
        </message>
        <message>
            <source>auto (default): stack; with the preset paper, mtmsd. stack: several simple classifiers, and the diffusion network where there is a model, weighed by polygons that were left out; without a model it takes seconds. mtmsd: the network alone. Or one of plain spectra: svm (support vector machine), svm-polygons (the same, tuned over whole polygons), rf (random forest). The accuracy report says when one of them is better.</source>
            <translation>auto (par défaut) : stack ; avec le préréglage paper, mtmsd. stack : plusieurs classificateurs simples, et le réseau de diffusion s'il y a un modèle, pondérés d'après des polygones mis de côté ; sans modèle, quelques secondes suffisent. mtmsd : le réseau seul. Ou un classificateur des spectres seuls : svm (machine à vecteurs de support), svm-polygons (la même, réglée sur des polygones entiers), rf (forêt aléatoire). Le rapport de précision dit quand l'un d'eux est meilleur.</translation>
        </message>
        <message>
            <source>Class of the library's spectra</source>
            <translation>Classe des spectres de la bibliothèque</translation>
        </message>
        <message>
            <source>Table of the library's classes</source>
            <translation>Tableau des classes de la bibliothèque</translation>
        </message>
        <message>
            <source>Factor of the library's values</source>
            <translation>Facteur des valeurs de la bibliothèque</translation>
        </message>
        <message>
            <source>Its spectra train beside the polygons, resampled to the scene's bands, and may make a class that has no polygon; not for the classifier 'mtmsd'. ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd). Default: none.</source>
            <translation>Ses spectres, rééchantillonnés aux bandes de la scène, entraînent en plus des polygones et peuvent former une classe sans polygone ; pas pour le classificateur 'mtmsd'. ENVI (.sli), CSV, texte de l'USGS ou d'ECOSTRESS, ASD (.asd). Par défaut : aucune.</translation>
        </message>
        <message>
            <source>One class for all of its spectra. Default: each spectrum's name is its class.</source>
            <translation>Une seule classe pour tous ses spectres. Par défaut : le nom de chaque spectre est sa classe.</translation>
        </message>
        <message>
            <source>CSV with the columns name and class, and if wanted value and color: the class of each spectrum; spectra that it does not name are left out. Default: none.</source>
            <translation>CSV avec les colonnes name et class et, au choix, value et color : la classe de chaque spectre ; les spectres qui n'y figurent pas sont laissés de côté. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>What its values are multiplied by to have the scene's units. Default: told by its numbers (0 to 1, percent, times 10,000); the log says which.</source>
            <translation>Ce par quoi multiplier ses valeurs pour obtenir les unités de la scène. Par défaut : déduit de ses nombres (0 à 1, pour cent, fois 10 000) ; le journal l'indique.</translation>
        </message>
        <message>
            <source>{parameter} is given, and no spectral library; choose one, or leave it out.</source>
            <translation>{parameter} : donné sans bibliothèque spectrale ; choisissez-en une ou omettez ce paramètre.</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>Automatique</translation>
        </message>
        <message>
            <source>Whole polygons</source>
            <translation>Polygones entiers</translation>
        </message>
        <message>
            <source>Spatial cross-validation</source>
            <translation>Validation croisée spatiale</translation>
        </message>
        <message>
            <source>Single pixels (optimistic)</source>
            <translation>Pixels isolés (optimiste)</translation>
        </message>
        <message>
            <source>How polygons are held out</source>
            <translation>Comment les polygones sont réservés</translation>
        </message>
        <message>
            <source>Share held out</source>
            <translation>Part réservée</translation>
        </message>
        <message>
            <source>Guard distance in pixels</source>
            <translation>Distance de garde en pixels</translation>
        </message>
        <message>
            <source>polygons: whole ones. cross: spatial cross-validation, each polygon tested once. auto (default): cross where most classes have fewer than 4 polygons, else polygons. random: single pixels, whose figures are optimistic because they lie beside training pixels.</source>
            <translation>polygons : des polygones entiers. cross : validation croisée spatiale, chaque polygone testé une fois. auto (par défaut) : cross où la plupart des classes ont moins de 4 polygones, sinon polygons. random : des pixels isolés, dont les chiffres sont optimistes parce qu'ils voisinent des pixels d'entraînement.</translation>
        </message>
        <message>
            <source>Share of each class that is held out, 0 to 0.9. With 0 no accuracy is told and the confidence is not calibrated. Default: 0.25.</source>
            <translation>Part de chaque classe qui est réservée, de 0 à 0.9. Avec 0, aucune précision n'est donnée et la confiance n'est pas calibrée. Par défaut : 0.25.</translation>
        </message>
        <message>
            <source>Training pixels nearer than this to a held-out one are left out. Default: 0.</source>
            <translation>Les pixels d'entraînement plus proches que cela d'un pixel réservé sont laissés de côté. Par défaut : 0.</translation>
        </message>
        <message>
            <source>Majority filter, side in pixels</source>
            <translation>Filtre majoritaire, côté en pixels</translation>
        </message>
        <message>
            <source>Minimum mapping unit in pixels</source>
            <translation>Unité cartographique minimale en pixels</translation>
        </message>
        <message>
            <source>Pixels of lower confidence, 0 to 1, get the class 255 'unknown'. Default: none.</source>
            <translation>Les pixels de confiance moindre, de 0 à 1, reçoivent la classe 255 'unknown'. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>Each pixel gets the most frequent class of a square of 3, 5, 7, … pixels around it; on a tie it keeps its own. Default: none.</source>
            <translation>Chaque pixel reçoit la classe la plus fréquente d'un carré de 3, 5, 7, … pixels autour de lui ; à égalité il garde la sienne. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>Smaller regions join their largest neighbour. Default: all regions stay.</source>
            <translation>Les régions plus petites rejoignent leur plus grande voisine. Par défaut : toutes restent.</translation>
        </message>
        <message>
            <source>GeoTIFF with one band for each class, 0 to 1; four bytes a pixel and class. 'Where to label next' needs it. Default: not written.</source>
            <translation>GeoTIFF avec une bande par classe, de 0 à 1 ; quatre octets par pixel et classe. 'Où étiqueter ensuite' en a besoin. Par défaut : non écrit.</translation>
        </message>
        <message>
            <source>Entropy</source>
            <translation>Entropie</translation>
        </message>
        <message>
            <source>GeoTIFF: 0 where one class is certain, 1 where all are as likely. Default: not written.</source>
            <translation>GeoTIFF : 0 où une classe est certaine, 1 où toutes sont aussi probables. Par défaut : non écrit.</translation>
        </message>
        <message>
            <source>Disagreement</source>
            <translation>Désaccord</translation>
        </message>
        <message>
            <source>GeoTIFF: how far the members of the ensemble differ, 0 to 1; not for the simple classifiers. Default: not written.</source>
            <translation>GeoTIFF : à quel point les membres de l'ensemble diffèrent, de 0 à 1 ; pas pour les classificateurs simples. Par défaut : non écrit.</translation>
        </message>
        <message>
            <source>Doubtful polygons</source>
            <translation>Polygones douteux</translation>
        </message>
        <message>
            <source>GeoPackage with the training polygons that the other polygons call another class: their class, the one that the map would give, and the share of their pixels that are called so. By the classifier 'stack' only. Default: not written.</source>
            <translation>GeoPackage des polygones d'entraînement que les autres polygones rangent dans une autre classe : leur classe, celle que la carte donnerait, et la part de leurs pixels qui la reçoivent. Seulement avec le classificateur 'stack'. Par défaut : non écrit.</translation>
        </message>
        <message>
            <source>GeoPackage with the map's regions, as by 'Turn a class map into polygons'. Default: not written.</source>
            <translation>GeoPackage des régions de la carte, comme par 'Convertir une carte des classes en polygones'. Par défaut : non écrit.</translation>
        </message>
        <message>
            <source>GeoPackage with 20 places worth a label next, as by 'Where to label next'. Default: not written.</source>
            <translation>GeoPackage de 20 endroits à étiqueter ensuite, comme par 'Où étiqueter ensuite'. Par défaut : non écrit.</translation>
        </message>
        <message>
            <source>Scene and polygons to map and report</source>
            <translation>De la scène et des polygones à la carte et au rapport</translation>
        </message>
        <message>
            <source>Map another scene</source>
            <translation>Cartographier une autre scène</translation>
        </message>
        <message>
            <source>Assess and polygonize</source>
            <translation>Évaluer et polygoniser</translation>
        </message>
        <message>
            <source>Models</source>
            <translation>Modèles</translation>
        </message>
        <message>
            <source>The hyperspectral raster. Pixels without data and bad bands (marked in the file, constant, or empty) are left out by themselves.</source>
            <translation>Le raster hyperspectral. Les pixels sans données et les mauvaises bandes (marquées dans le fichier, constantes ou vides) sont laissés de côté d'eux-mêmes.</translation>
        </message>
        <message>
            <source>A polygon layer in any CRS with a class field, a raster on the scene's grid with class numbers (0 = unlabelled), or the path of another program's training areas: SCP's .scpx, ENVI's regions of interest (.xml, .roi as text).</source>
            <translation>Une couche de polygones dans un SCR quelconque avec un champ de classe, un raster sur la grille de la scène avec des numéros de classe (0 = sans étiquette), ou le chemin des zones d'entraînement d'un autre programme : .scpx de SCP, régions d'intérêt d'ENVI (.xml, .roi en texte).</translation>
        </message>
        <message>
            <source>Class field</source>
            <translation>Champ de classe</translation>
        </message>
        <message>
            <source>Class number or class name of each polygon; of a number the name is taken from a field such as class_name. Default: the field called class_id, class, or similar.</source>
            <translation>Numéro ou nom de la classe de chaque polygone ; pour un numéro, le nom est pris d'un champ tel que class_name. Par défaut : le champ nommé class_id, class ou semblable.</translation>
        </message>
        <message>
            <source>Selected polygons only</source>
            <translation>Polygones sélectionnés seulement</translation>
        </message>
        <message>
            <source>Only the selected ones of the labels' polygons are read. Default: no, all.</source>
            <translation>Seuls les polygones sélectionnés des étiquettes sont lus. Par défaut : non, tous.</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Pretrain on a scene' has written.</source>
            <translation>Le fichier .safetensors que 'Préentraîner sur une scène' a écrit.</translation>
        </message>
        <message>
            <source>With it, pretraining is skipped. Default: none.</source>
            <translation>Avec lui, le préentraînement est omis. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>Quick: a first look</source>
            <translation>Rapide : un premier aperçu</translation>
        </message>
        <message>
            <source>Balanced: good maps</source>
            <translation>Équilibré : de bonnes cartes</translation>
        </message>
        <message>
            <source>Paper: as published, on a GPU</source>
            <translation>Article : comme publié, avec GPU</translation>
        </message>
        <message>
            <source>Preset</source>
            <translation>Préréglage</translation>
        </message>
        <message>
            <source>quick: about 3 minutes of pretraining on two CPU cores, for a first look. balanced (default): about 10 to 15 minutes, the map to keep. paper: the published network and length; needs a GPU.</source>
            <translation>quick : environ 3 minutes de préentraînement sur deux cœurs de CPU, pour un premier aperçu. balanced (par défaut) : environ 10 à 15 minutes, la carte à garder. paper : le réseau et la durée publiés ; demande un GPU.</translation>
        </message>
        <message>
            <source>Processor (CPU)</source>
            <translation>Processeur (CPU)</translation>
        </message>
        <message>
            <source>Graphics card (CUDA)</source>
            <translation>Carte graphique (CUDA)</translation>
        </message>
        <message>
            <source>Graphics card {} (CUDA)</source>
            <translation>Carte graphique {} (CUDA)</translation>
        </message>
        <message>
            <source>Apple graphics (MPS)</source>
            <translation>GPU Apple (MPS)</translation>
        </message>
        <message>
            <source>Device</source>
            <translation>Appareil</translation>
        </message>
        <message>
            <source>auto (default) takes a GPU that works, else the CPU.</source>
            <translation>auto (par défaut) prend un GPU qui fonctionne, sinon le CPU.</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Graine</translation>
        </message>
        <message>
            <source>The same seed on the same machine gives the same result. Default: 0.</source>
            <translation>La même graine sur la même machine donne le même résultat. Par défaut : 0.</translation>
        </message>
        <message>
            <source>Other settings</source>
            <translation>Autres réglages</translation>
        </message>
        <message>
            <source>Single numbers of the preset replaced, as KEY=VALUE with spaces between: 'iterations=2000 members=5'; with the stack 'rare_classes=0.5' finds classes of few training pixels more often. Default: none.</source>
            <translation>Nombres isolés du préréglage remplacés, sous la forme KEY=VALUE séparés par des espaces : 'iterations=2000 members=5' ; avec le stacking, 'rare_classes=0.5' trouve plus souvent les classes à peu de pixels d'entraînement. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>Bands to leave out</source>
            <translation>Bandes à exclure</translation>
        </message>
        <message>
            <source>Band numbers or wavelengths besides those that are left out by themselves: '1-5,130-135' or '1340-1460nm,1790-1960nm' (water vapour). Default: none.</source>
            <translation>Numéros de bandes ou longueurs d'onde en plus de celles exclues d'elles-mêmes : '1-5,130-135' ou '1340-1460nm,1790-1960nm' (vapeur d'eau). Par défaut : aucune.</translation>
        </message>
        <message>
            <source>Masks</source>
            <translation>Masques</translation>
        </message>
        <message>
            <source>Bits or values of masks</source>
            <translation>Bits ou valeurs des masques</translation>
        </message>
        <message>
            <source>Masks of the product</source>
            <translation>Masques du produit</translation>
        </message>
        <message>
            <source>Clouds, shadow, water: pixels in their polygons (any CRS), or not 0 in their rasters (on the scene's grid), are left out as if they had no data. Default: none.</source>
            <translation>Nuages, ombre, eau : les pixels dans leurs polygones (SCR quelconque), ou différents de 0 dans leurs rasters (sur la grille de la scène), sont exclus comme s'ils étaient sans données. Par défaut : aucun.</translation>
        </message>
        <message>
            <source>What of a raster mask is meant: 'bits=10,11' of a bit mask, 'values=3,8,9' of a class raster. Default: all but 0.</source>
            <translation>Ce qui compte dans un masque raster : 'bits=10,11' d'un masque de bits, 'values=3,8,9' d'un raster de classes. Par défaut : tout sauf 0.</translation>
        </message>
        <message>
            <source>Also the masks of clouds, shadow and cirrus that come with a scene of EnMAP, EMIT or PRISMA. Default: no.</source>
            <translation>Aussi les masques de nuages, d'ombre et de cirrus fournis avec une scène EnMAP, EMIT ou PRISMA. Par défaut : non.</translation>
        </message>
        <message>
            <source>'{text}' does not say what of a mask is meant; write bits=10,11 or values=3,8.</source>
            <translation>'{text}' ne dit pas ce qui compte dans un masque ; écrivez bits=10,11 ou values=3,8.</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>Reprendre</translation>
        </message>
        <message>
            <source>Continue from the last checkpoint of a canceled or broken run with the same output file. Default: no.</source>
            <translation>Continuer du dernier point de reprise d'une exécution annulée ou interrompue avec le même fichier de sortie. Par défaut : non.</translation>
        </message>
        <message>
            <source>GeoTIFF with the probability of the mapped class, 0 to 1.</source>
            <translation>GeoTIFF avec la probabilité de la classe cartographiée, de 0 à 1.</translation>
        </message>
        <message>
            <source>Accuracy report</source>
            <translation>Rapport de précision</translation>
        </message>
        <message>
            <source>One HTML file with confusion matrix (rows: reference, columns: map), accuracies and, where they can be made, spectral baselines.</source>
            <translation>Un fichier HTML avec la matrice de confusion (lignes : référence, colonnes : carte), les précisions et, où c'est possible, des comparaisons spectrales.</translation>
        </message>
        <message>
            <source>'{word}' in Other settings is not of the form KEY=VALUE.</source>
            <translation>'{word}' dans Autres réglages n'a pas la forme KEY=VALUE.</translation>
        </message>
        <message>
            <source>'{path}' is not a GeoTIFF, the one format that is written; end it in .tif.</source>
            <translation>'{path}' n'est pas un GeoTIFF, le seul format écrit ; terminez-le par .tif.</translation>
        </message>
        <message>
            <source>'{path}' is not a GeoPackage, the one format that is written; end it in .gpkg.</source>
            <translation>'{path}' n'est pas un GeoPackage, le seul format écrit ; terminez-le par .gpkg.</translation>
        </message>
        <message>
            <source>Engine {version} on {device}</source>
            <translation>Moteur {version} sur {device}</translation>
        </message>
        <message>
            <source>Engine {version}</source>
            <translation>Moteur {version}</translation>
        </message>
        <message>
            <source>{title}: {done} of {total} {unit}</source>
            <translation>{title} : {done} sur {total} {unit}</translation>
        </message>
        <message>
            <source>{}, {} left</source>
            <translation>{}, reste {}</translation>
        </message>
        <message>
            <source>The job in {folder} could not be started with {python}: {reason}.</source>
            <translation>La tâche dans {folder} n'a pas pu démarrer avec {python} : {reason}.</translation>
        </message>
        <message>
            <source>Job folder: {folder}</source>
            <translation>Dossier de la tâche : {folder}</translation>
        </message>
        <message>
            <source>{python} cannot be started: {reason}.</source>
            <translation>{python} ne peut pas être démarré : {reason}.</translation>
        </message>
        <message>
            <source>Choose another Python.</source>
            <translation>Choisissez un autre Python.</translation>
        </message>
        <message>
            <source>{python} {ended} when the engine was checked ({last}).</source>
            <translation>{python} {ended} pendant la vérification du moteur ({last}).</translation>
        </message>
        <message>
            <source>Choose another Python, or set the engine up anew.</source>
            <translation>Choisissez un autre Python, ou installez le moteur de nouveau.</translation>
        </message>
        <message>
            <source>The card {card} has only {free} MB free.</source>
            <translation>La carte {card} n'a que {free} MB libres.</translation>
        </message>
        <message>
            <source>Close other programs that use it, or set the engine up for the processor.</source>
            <translation>Fermez les autres programmes qui l'utilisent, ou installez le moteur pour le processeur.</translation>
        </message>
        <message>
            <source>All was installed, but it computes on no NVIDIA graphics card here{}.</source>
            <translation>Tout a été installé, mais rien ne calcule ici sur une carte graphique NVIDIA{}.</translation>
        </message>
        <message>
            <source>All was installed, but it computes on no Apple GPU here{}.</source>
            <translation>Tout a été installé, mais rien ne calcule ici sur un GPU Apple{}.</translation>
        </message>
        <message>
            <source>Update the card's driver, or set the engine up for the processor.</source>
            <translation>Mettez à jour le pilote de la carte, ou installez le moteur pour le processeur.</translation>
        </message>
        <message>
            <source>The proxy asks for a name and a password.</source>
            <translation>Le proxy demande un nom et un mot de passe.</translation>
        </message>
        <message>
            <source>Enter them in QGIS under Settings &gt; Options &gt; Network, or under Advanced as http://user[:password]@host:port.</source>
            <translation>Saisissez-les dans QGIS sous Préférences &gt; Options &gt; Réseau, ou sous Avancé comme http://user[:password]@host:port.</translation>
        </message>
        <message>
            <source>The connection to {index} shows a certificate that this machine does not trust; a virus scanner or a company's proxy may be reading along.</source>
            <translation>La connexion à {index} présente un certificat auquel cette machine ne se fie pas ; un antivirus ou le proxy d'une entreprise lit peut-être au passage.</translation>
        </message>
        <message>
            <source>Ask your administrator for the certificate, install it in the system, and set SSL_CERT_FILE to it if that is not enough; or use a folder of wheels.</source>
            <translation>Demandez le certificat à votre administrateur, installez-le dans le système, et si cela ne suffit pas faites pointer SSL_CERT_FILE dessus ; ou utilisez un dossier de wheels.</translation>
        </message>
        <message>
            <source>The disk of {folder} is full.</source>
            <translation>Le disque de {folder} est plein.</translation>
        </message>
        <message>
            <source>Free some space or choose a folder on another disk, then try again: it goes on where it stopped.</source>
            <translation>Libérez de la place ou choisissez un dossier sur un autre disque, puis réessayez : cela reprend là où c'était arrêté.</translation>
        </message>
        <message>
            <source>The path {folder} is too long for files inside it.</source>
            <translation>Le chemin {folder} est trop long pour les fichiers qu'il contiendrait.</translation>
        </message>
        <message>
            <source>Choose a shorter one.</source>
            <translation>Choisissez-en un plus court.</translation>
        </message>
        <message>
            <source>A file in {folder} is in use by another program.</source>
            <translation>Un fichier dans {folder} est utilisé par un autre programme.</translation>
        </message>
        <message>
            <source>Wait for the engine's jobs to end, close other QGIS windows, then try again.</source>
            <translation>Attendez la fin des tâches du moteur, fermez les autres fenêtres de QGIS, puis réessayez.</translation>
        </message>
        <message>
            <source>The folder {folder} may not be written.</source>
            <translation>Le dossier {folder} n'est pas accessible en écriture.</translation>
        </message>
        <message>
            <source>Choose another folder, or ask who owns it.</source>
            <translation>Choisissez un autre dossier, ou demandez à son propriétaire.</translation>
        </message>
        <message>
            <source>A package that was fetched is not the one that was tested (its checksum differs).</source>
            <translation>Un paquet téléchargé n'est pas celui qui a été testé (sa somme de contrôle diffère).</translation>
        </message>
        <message>
            <source>Try again; if it happens again, {index} serves something else: use another index, and tell its administrator.</source>
            <translation>Réessayez ; si cela se reproduit, {index} sert autre chose : utilisez un autre index, et prévenez son administrateur.</translation>
        </message>
        <message>
            <source>The Python {python} is managed by the system, which lets nothing be installed into it.</source>
            <translation>Le Python {python} est géré par le système, qui n'y laisse rien installer.</translation>
        </message>
        <message>
            <source>Install python3-venv (on Debian and Ubuntu), or choose another Python; QGIS's and the system's own stay as they are.</source>
            <translation>Installez python3-venv (sous Debian et Ubuntu), ou choisissez un autre Python ; ceux de QGIS et du système restent tels quels.</translation>
        </message>
        <message>
            <source>The Python {python} cannot make an environment: it lacks venv or ensurepip.</source>
            <translation>Le Python {python} ne peut pas créer d'environnement : il lui manque venv ou ensurepip.</translation>
        </message>
        <message>
            <source>Install python3-venv (on Debian and Ubuntu), or choose another Python.</source>
            <translation>Installez python3-venv (sous Debian et Ubuntu), ou choisissez un autre Python.</translation>
        </message>
        <message>
            <source>{index} cannot be reached.</source>
            <translation>{index} est injoignable.</translation>
        </message>
        <message>
            <source>Look at the network and at the proxy (Settings &gt; Options &gt; Network) and try again; on a machine without a network use a folder of wheels.</source>
            <translation>Examinez le réseau et le proxy (Préférences &gt; Options &gt; Réseau) et réessayez ; sur une machine sans réseau, utilisez un dossier de wheels.</translation>
        </message>
        <message>
            <source>The connection to {index} broke off.</source>
            <translation>La connexion à {index} s'est interrompue.</translation>
        </message>
        <message>
            <source>Try again: what was fetched is kept.</source>
            <translation>Réessayez : ce qui a été téléchargé est gardé.</translation>
        </message>
        <message>
            <source>{index} is not secured (it is http, not https), so nothing is taken from it.</source>
            <translation>{index} n'est pas sécurisé (http et non https), donc rien n'y est pris.</translation>
        </message>
        <message>
            <source>Write https:// where the index has it, or name its host as trusted-host in pip's configuration.</source>
            <translation>Écrivez https:// si l'index le propose, ou nommez son hôte comme trusted-host dans la configuration de pip.</translation>
        </message>
        <message>
            <source>The Python {python} is too old or too new for the packages.</source>
            <translation>Le Python {python} est trop ancien ou trop récent pour les paquets.</translation>
        </message>
        <message>
            <source>Choose a Python from 3.10 to 3.14, or let uv bring one.</source>
            <translation>Choisissez un Python de 3.10 à 3.14, ou laissez uv en apporter un.</translation>
        </message>
        <message>
            <source>{index} has no {package} for this Python and this system.</source>
            <translation>{index} n'a pas {package} pour ce Python et ce système.</translation>
        </message>
        <message>
            <source>Use another index or another Python; PyTorch comes from {torch}.</source>
            <translation>Utilisez un autre index ou un autre Python ; PyTorch vient de {torch}.</translation>
        </message>
        <message>
            <source>{index} refuses to give a package.</source>
            <translation>{index} refuse de donner un paquet.</translation>
        </message>
        <message>
            <source>Look at the index's address, its name and password under Advanced.</source>
            <translation>Examinez sous Avancé l'adresse de l'index, son nom et son mot de passe.</translation>
        </message>
        <message>
            <source>The NVIDIA driver is too old for this PyTorch.</source>
            <translation>Le pilote NVIDIA est trop ancien pour ce PyTorch.</translation>
        </message>
        <message>
            <source>Update the driver, or set the engine up for the processor.</source>
            <translation>Mettez à jour le pilote, ou installez le moteur pour le processeur.</translation>
        </message>
        <message>
            <source>The graphics card has no memory free.</source>
            <translation>La carte graphique n'a pas de mémoire libre.</translation>
        </message>
        <message>
            <source>PyTorch finds no NVIDIA graphics card that it can use.</source>
            <translation>PyTorch ne trouve aucune carte graphique NVIDIA qu'il puisse utiliser.</translation>
        </message>
        <message>
            <source>Install NVIDIA's driver, or set the engine up for the processor.</source>
            <translation>Installez le pilote de NVIDIA, ou installez le moteur pour le processeur.</translation>
        </message>
        <message>
            <source>The wheel folder {wheels} lacks {package} for this Python and this system.</source>
            <translation>Il manque au dossier de wheels {wheels}, pour ce Python et ce système : {package}.</translation>
        </message>
        <message>
            <source>Fill it with make wheelhouse for this system and this Python, then try again.</source>
            <translation>Remplissez-le avec make wheelhouse pour ce système et ce Python, puis réessayez.</translation>
        </message>
        <message>
            <source>The set-up stopped: {last}</source>
            <translation>L'installation s'est arrêtée : {last}</translation>
        </message>
        <message>
            <source>The log tells more; Copy Diagnostics takes it along.</source>
            <translation>Le journal en dit plus ; Copier le diagnostic l'emporte aussi.</translation>
        </message>
        <message>
            <source>no reason was given.</source>
            <translation>aucune raison n'a été donnée.</translation>
        </message>
        <message>
            <source>The Python {} is not there any more.</source>
            <translation>Le Python {} n'est plus là.</translation>
        </message>
        <message>
            <source>that uv brought</source>
            <translation>apporté par uv</translation>
        </message>
        <message>
            <source>a package</source>
            <translation>un paquet</translation>
        </message>
        <message>
            <source>Wait until it has ended, or cancel it there.</source>
            <translation>Attendez que ce soit fini, ou annulez là-bas.</translation>
        </message>
        <message>
            <source>What was fetched is kept for the next time.</source>
            <translation>Ce qui a été téléchargé est gardé pour la prochaine fois.</translation>
        </message>
        <message>
            <source>{} does not answer like a Python.</source>
            <translation>{} ne répond pas comme un Python.</translation>
        </message>
        <message>
            <source>{python} cannot be used: {reason}.</source>
            <translation>{python} ne peut pas être utilisé : {reason}.</translation>
        </message>
        <message>
            <source>{} was not made by Set Up Engine…; remove it yourself.</source>
            <translation>{} n'a pas été créé par Installer le moteur… ; retirez-le vous-même.</translation>
        </message>
        <message>
            <source>Wait until it has ended.</source>
            <translation>Attendez que ce soit fini.</translation>
        </message>
        <message>
            <source>{path} could not be removed: {reason}.</source>
            <translation>{path} n'a pas pu être retiré : {reason}.</translation>
        </message>
        <message>
            <source>Another QGIS is setting up the engine in {}.</source>
            <translation>Un autre QGIS est en train d'installer le moteur dans {}.</translation>
        </message>
        <message>
            <source>This machine has an {card} ({memory}), driver {driver}.</source>
            <translation>Cette machine a une {card} ({memory}), pilote {driver}.</translation>
        </message>
        <message>
            <source>This is an Apple machine with a GPU of its own.</source>
            <translation>Ceci est une machine Apple avec son propre GPU.</translation>
        </message>
        <message>
            <source>No NVIDIA graphics card with a working driver was found.</source>
            <translation>Aucune carte graphique NVIDIA avec un pilote qui fonctionne n'a été trouvée.</translation>
        </message>
        <message>
            <source>it is {}, not CPython</source>
            <translation>c'est {}, pas CPython</translation>
        </message>
        <message>
            <source>it is a {}-bit Python</source>
            <translation>c'est un Python {} bits</translation>
        </message>
        <message>
            <source>Python {number} is too old; {oldest} to {newest} will do</source>
            <translation>Python {number} est trop ancien ; de {oldest} à {newest} conviennent</translation>
        </message>
        <message>
            <source>Python {number} is too new; {oldest} to {newest} will do</source>
            <translation>Python {number} est trop récent ; de {oldest} à {newest} conviennent</translation>
        </message>
        <message>
            <source>it lacks venv or ensurepip (on Debian and Ubuntu: install python3-venv)</source>
            <translation>il lui manque venv ou ensurepip (sous Debian et Ubuntu : installer python3-venv)</translation>
        </message>
        <message>
            <source>The whole engine: pretraining, training, classification and assessment.</source>
            <translation>Le moteur entier : pré-entraînement, entraînement, classification et évaluation.</translation>
        </message>
        <message>
            <source>Classification and assessment with models that others trained; no training.</source>
            <translation>Classification et évaluation avec des modèles que d'autres ont entraînés ; pas d'entraînement.</translation>
        </message>
        <message>
            <source>Computes on the processor.</source>
            <translation>Calcule sur le processeur.</translation>
        </message>
        <message>
            <source>Computes on NVIDIA graphics cards.</source>
            <translation>Calcule sur les cartes graphiques NVIDIA.</translation>
        </message>
        <message>
            <source>Computes on the Apple GPU.</source>
            <translation>Calcule sur le GPU Apple.</translation>
        </message>
        <message>
            <source>Exported classifiers (.onnx) are mapped on the processor: on NVIDIA cards that takes Python 3.11 or newer.</source>
            <translation>Les classificateurs exportés (.onnx) cartographient sur le processeur : sur les cartes NVIDIA, il faut Python 3.11 ou plus récent.</translation>
        </message>
        <message>
            <source>From the folder {}; no network is used.</source>
            <translation>Depuis le dossier {} ; aucun réseau n'est utilisé.</translation>
        </message>
        <message>
            <source>Fetches about {size} from {hosts}.</source>
            <translation>Télécharge environ {size} depuis {hosts}.</translation>
        </message>
        <message>
            <source>Takes about {size} in {folder}; {free} are free there.</source>
            <translation>Occupe environ {size} dans {folder} ; {free} y sont libres.</translation>
        </message>
        <message>
            <source>PyTorch comes on top of that; its size was not measured.</source>
            <translation>PyTorch s'y ajoute ; sa taille n'a pas été mesurée.</translation>
        </message>
        <message>
            <source>QGIS's own Python stays as it is.</source>
            <translation>Le Python de QGIS reste tel quel.</translation>
        </message>
        <message>
            <source>The engine that is there stays until the new one has passed its check.</source>
            <translation>Le moteur présent reste jusqu'à ce que le nouveau ait réussi sa vérification.</translation>
        </message>
        <message>
            <source>{first} and {last}</source>
            <translation>{first} et {last}</translation>
        </message>
        <message>
            <source>uv, which is fetched first</source>
            <translation>uv, qui est téléchargé d'abord</translation>
        </message>
        <message>
            <source>Installed by {tool}; it brings a Python {version} of its own.</source>
            <translation>Installé par {tool} ; il apporte son propre Python {version}.</translation>
        </message>
        <message>
            <source>Built from {python} by {tool}.</source>
            <translation>Construit à partir de {python} par {tool}.</translation>
        </message>
        <message>
            <source>The wheel folder {} holds no wheels (.whl). Choose the folder that make wheelhouse filled, or leave it empty to use the network.</source>
            <translation>Le dossier de wheels {} ne contient aucun wheel (.whl). Choisissez le dossier que make wheelhouse a rempli, ou laissez le champ vide pour utiliser le réseau.</translation>
        </message>
        <message>
            <source>The disk of {folder} has {free} free; {needed} are needed. Free some space, or choose a folder on another disk.</source>
            <translation>Le disque de {folder} a {free} libres ; il faut {needed}. Libérez de la place, ou choisissez un dossier sur un autre disque.</translation>
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
            <translation>Il n'y a pas de paquets prêts pour {system} sur {machine}. Installez le moteur sur une autre machine, ou choisissez un interpréteur qui a les paquets.</translation>
        </message>
        <message>
            <source>There is no PyTorch for the device {device} on {system}. Choose the processor.</source>
            <translation>Il n'y a pas de PyTorch pour l'appareil {device} sous {system}. Choisissez le processeur.</translation>
        </message>
        <message>
            <source>The NVIDIA driver {driver} is too old for these packages, which need {least} or newer. Update the driver, or choose the processor.</source>
            <translation>Le pilote NVIDIA {driver} est trop ancien pour ces paquets, qui demandent {least} ou plus récent. Mettez le pilote à jour, ou choisissez le processeur.</translation>
        </message>
        <message>
            <source>Mapping exported classifiers on NVIDIA cards takes Python 3.11 or newer; {python} is {version}. Choose another Python under Advanced, or the processor.</source>
            <translation>Appliquer des classificateurs exportés sur des cartes NVIDIA demande Python 3.11 ou plus récent ; {python} est {version}. Choisissez un autre Python dans les options avancées, ou le processeur.</translation>
        </message>
        <message>
            <source>No Python was found that the engine can be built from ({found}). Install Python {version} from python.org or your distribution, then try again.</source>
            <translation>Aucun Python n'a été trouvé à partir duquel construire le moteur ({found}). Installez Python {version} depuis python.org ou votre distribution, puis réessayez.</translation>
        </message>
        <message>
            <source>none at all</source>
            <translation>aucun</translation>
        </message>
        <message>
            <source>{} lies inside the plugin, which an update of the plugin deletes. Choose a folder outside it.</source>
            <translation>{} se trouve dans l'extension, qu'une mise à jour de l'extension supprime. Choisissez un dossier en dehors.</translation>
        </message>
        <message>
            <source>The path {folder} is too long: files inside it would have {length} characters, {most} are possible. Choose a shorter one.</source>
            <translation>Le chemin {folder} est trop long : les fichiers qu'il contiendrait auraient {length} caractères, {most} sont possibles. Choisissez-en un plus court.</translation>
        </message>
        <message>
            <source>{} is a file. Choose a folder.</source>
            <translation>{} est un fichier. Choisissez un dossier.</translation>
        </message>
        <message>
            <source>The folder {} holds other files, which would be replaced. Choose an empty or a new folder.</source>
            <translation>Le dossier {} contient d'autres fichiers, qui seraient remplacés. Choisissez un dossier vide ou nouveau.</translation>
        </message>
        <message>
            <source>The folder {} may not be written by you. Choose another folder.</source>
            <translation>Vous n'avez pas le droit d'écrire dans le dossier {}. Choisissez un autre dossier.</translation>
        </message>
        <message>
            <source>Found the training polygons {}; nothing says of which scene they are.</source>
            <translation>Polygones d'entraînement {} trouvés ; rien n'indique à quelle scène ils appartiennent.</translation>
        </message>
        <message>
            <source>{} (earlier)</source>
            <translation>{} (précédent)</translation>
        </message>
        <message>
            <source>'{}' cannot be the name of a file.</source>
            <translation>'{}' ne peut pas être un nom de fichier.</translation>
        </message>
        <message>
            <source>There is a file {} already; choose another name.</source>
            <translation>Il y a déjà un fichier {} ; choisissez un autre nom.</translation>
        </message>
        <message>
            <source>{} is not a model of MTMSD.</source>
            <translation>{} n'est pas un modèle de MTMSD.</translation>
        </message>
        <message>
            <source>Set to {shown}, its file says {written}: set the layer back, or the file right (Assign Projection), else polygons lie elsewhere for the engine, which reads the file.</source>
            <translation>Défini sur {shown}, son fichier indique {written} : rétablissez la couche ou corrigez le fichier (Assigner une projection), sinon les polygones sont ailleurs pour le moteur, qui lit le fichier.</translation>
        </message>
        <message>
            <source>none</source>
            <translation>aucun</translation>
        </message>
        <message>
            <source>There is no folder to write to: {} cannot be created.</source>
            <translation>Il n'y a pas de dossier où écrire : {} ne peut pas être créé.</translation>
        </message>
        <message>
            <source>{} holds no classes.</source>
            <translation>{} ne contient pas de classes.</translation>
        </message>
        <message>
            <source>number</source>
            <translation>numéro</translation>
        </message>
        <message>
            <source>name</source>
            <translation>nom</translation>
        </message>
        <message>
            <source>{file} has the {what} {value} twice.</source>
            <translation>{file} contient deux fois le {what} {value}.</translation>
        </message>
        <message>
            <source>{} needs the columns value, name and colour.</source>
            <translation>Il faut à {} les colonnes value, name et color.</translation>
        </message>
        <message>
            <source>line {}</source>
            <translation>ligne {}</translation>
        </message>
        <message>
            <source>{}, {}: a cell is missing.</source>
            <translation>{}, {} : il manque une cellule.</translation>
        </message>
        <message>
            <source>{file}, {place}: '{value}' is no class number from 1 to {most}.</source>
            <translation>{file}, {place} : '{value}' n'est pas un numéro de classe de 1 à {most}.</translation>
        </message>
        <message>
            <source>{file}, {place}: '{color}' is no colour; write it like #1a7837.</source>
            <translation>{file}, {place} : '{color}' n'est pas une couleur ; écrivez-la comme #1a7837.</translation>
        </message>
        <message>
            <source>class {}</source>
            <translation>classe {}</translation>
        </message>
        <message>
            <source>{} is no style of QGIS.</source>
            <translation>{} n'est pas un style de QGIS.</translation>
        </message>
        <message>
            <source>{} is a style of another kind: it has neither categories nor a palette.</source>
            <translation>{} est un style d'un autre type : il n'a ni catégories ni palette.</translation>
        </message>
        <message>
            <source>{} cannot be written: {}.</source>
            <translation>{} ne peut pas être écrit : {}.</translation>
        </message>
        <message>
            <source>{} cannot be read: {}.</source>
            <translation>{} ne peut pas être lu : {}.</translation>
        </message>
        <message>
            <source>The imported spectra in {} are of other bands; import them again.</source>
            <translation>Les spectres importés dans {} ont d'autres bandes ; importez-les de nouveau.</translation>
        </message>
        <message>
            <source>{} cannot be written, so unsaved polygons were not recovered.</source>
            <translation>{} ne peut pas être écrit, donc des polygones non enregistrés n'ont pas été récupérés.</translation>
        </message>
        <message>
            <source>{path} cannot be written: {reason}.</source>
            <translation>{path} ne peut pas être écrit : {reason}.</translation>
        </message>
        <message>
            <source>The field '{field}' of '{layer}' holds the class {value}; classes are whole numbers from 1 to {most}. Choose another field, or renumber them.</source>
            <translation>Le champ '{field}' de '{layer}' contient la classe {value} ; les classes sont des nombres entiers de 1 à {most}. Choisissez un autre champ ou renumérotez les classes.</translation>
        </message>
        <message>
            <source>{} has more than {} values; it holds no classes.</source>
            <translation>{} a plus de {} valeurs ; il ne contient pas de classes.</translation>
        </message>
        <message>
            <source>{} has {} regions, too many to be edited as polygons; train with the raster itself, in the Processing Toolbox.</source>
            <translation>{} a {} régions, trop pour être modifiées comme polygones ; entraînez avec le raster lui-même, dans la boîte à outils de traitements.</translation>
        </message>
        <message>
            <source>{} is in a folder that cannot be written, so its polygons are read-only.</source>
            <translation>{} est dans un dossier protégé en écriture ; ses polygones sont donc en lecture seule.</translation>
        </message>
        <message>
            <source>Another QGIS (process {pid} on {host}) edits {file}; here its polygons are read-only. If that QGIS is gone, delete {lock}.</source>
            <translation>Un autre QGIS (processus {pid} sur {host}) modifie {file} ; ici, ses polygones sont en lecture seule. Si cet autre QGIS ne tourne plus, supprimez {lock}.</translation>
        </message>
        <message>
            <source>{layer} cannot be brought from its coordinate system, {own}, to the scene's, {scene}; check both.</source>
            <translation>{layer} ne peut pas être converti de son système de coordonnées, {own}, vers celui de la scène, {scene} ; vérifiez les deux.</translation>
        </message>
        <message>
            <source>The coordinate system of {}, {}, is of no place; the scene's was taken.</source>
            <translation>Le système de coordonnées de {}, {}, ne correspond à aucun lieu ; celui de la scène a été pris.</translation>
        </message>
        <message>
            <source>{} has no coordinate system; the scene's was taken.</source>
            <translation>{} n'a pas de système de coordonnées ; celui de la scène a été pris.</translation>
        </message>
        <message>
            <source>Without a place in the scene's coordinate system, not taken: {}</source>
            <translation>Sans position dans le système de coordonnées de la scène, non pris : {}</translation>
        </message>
        <message>
            <source>{} cannot be read.</source>
            <translation>{} ne peut pas être lu.</translation>
        </message>
        <message>
            <source>{} is not written; choose .csv, .sli or .gpkg.</source>
            <translation>{} ne peut pas être écrit ; choisissez .csv, .sli ou .gpkg.</translation>
        </message>
        <message>
            <source>{} cannot be opened as training polygons.</source>
            <translation>{} ne peut pas être ouvert comme polygones d'entraînement.</translation>
        </message>
        <message>
            <source>No class</source>
            <translation>Sans classe</translation>
        </message>
    </context>
    <context>
        <name>MapLegend</name>
        <message>
            <source>Class</source>
            <translation>Classe</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Pixels</translation>
        </message>
        <message>
            <source>Area</source>
            <translation>Surface</translation>
        </message>
        <message>
            <source>Pixels and area of each class in the map; right click: hide it, its opacity</source>
            <translation>Pixels et surface de chaque classe dans la carte ; clic droit : la masquer, son opacité</translation>
        </message>
        <message>
            <source>The map has a style of your own, without classes.</source>
            <translation>La carte a un style personnalisé, sans classes.</translation>
        </message>
        <message>
            <source>Show the class in the map; its opacity: {}</source>
            <translation>Afficher la classe dans la carte ; son opacité : {}</translation>
        </message>
        <message>
            <source>Hide the Class</source>
            <translation>Masquer la classe</translation>
        </message>
        <message>
            <source>Show the Class</source>
            <translation>Afficher la classe</translation>
        </message>
        <message>
            <source>Show Only This Class</source>
            <translation>N'afficher que cette classe</translation>
        </message>
        <message>
            <source>Show All Classes</source>
            <translation>Afficher toutes les classes</translation>
        </message>
        <message>
            <source>Opacity {}</source>
            <translation>Opacité {}</translation>
        </message>
    </context>
    <context>
        <name>MapOptions</name>
        <message>
            <source>Stack of several</source>
            <translation>Stacking de plusieurs</translation>
        </message>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>Support vector machine</source>
            <translation>Machine à vecteurs de support</translation>
        </message>
        <message>
            <source>SVM, tuned by polygons</source>
            <translation>SVM, réglée par polygones</translation>
        </message>
        <message>
            <source>Random forest</source>
            <translation>Forêt aléatoire</translation>
        </message>
        <message>
            <source>Another classifier, and filters for the finished map</source>
            <translation>Un autre classificateur, et des filtres pour la carte finie</translation>
        </message>
        <message>
            <source>spectra and surroundings</source>
            <translation>spectres et voisinage</translation>
        </message>
        <message>
            <source>spectra only</source>
            <translation>spectres seuls</translation>
        </message>
        <message>
            <source>The stack listens to several classifiers, and to MTMSD once the scene is pretrained; MTMSD alone learns from spectra and their surroundings on the pretrained model; the others see spectra only. All but MTMSD need no model and take seconds without one</source>
            <translation>Le stacking combine plusieurs classificateurs, et MTMSD une fois la scène préentraînée ; MTMSD seul apprend des spectres et de leur voisinage sur le modèle préentraîné ; les autres ne voient que les spectres. Tous sauf MTMSD se passent de modèle et ne prennent alors que des secondes</translation>
        </message>
        <message>
            <source>Rare classes matter</source>
            <translation>Favoriser les classes rares</translation>
        </message>
        <message>
            <source>Classes of few training pixels are found more often, at the cost of the large ones: a higher average accuracy, a little less overall accuracy</source>
            <translation>Les classes à peu de pixels d'entraînement sont trouvées plus souvent, au détriment des grandes : précision moyenne plus élevée, précision globale un peu plus basse</translation>
        </message>
        <message>
            <source> %</source>
            <translation> %</translation>
        </message>
        <message>
            <source>Pixels of lower confidence get a class of their own, 'unknown'</source>
            <translation>Les pixels de confiance moindre reçoivent une classe à part, 'unknown'</translation>
        </message>
        <message>
            <source>Off</source>
            <translation>Non</translation>
        </message>
        <message>
            <source>{0} × {0} px</source>
            <translation>{0} × {0} px</translation>
        </message>
        <message>
            <source>Each pixel gets the most frequent class of the square around it</source>
            <translation>Chaque pixel reçoit la classe la plus fréquente du carré autour de lui</translation>
        </message>
        <message>
            <source> px</source>
            <translation> px</translation>
        </message>
        <message>
            <source>Minimum mapping unit: smaller regions join their largest neighbour</source>
            <translation>Unité cartographique minimale : les régions plus petites rejoignent leur plus grande voisine</translation>
        </message>
        <message>
            <source>By the polygons</source>
            <translation>Selon les polygones</translation>
        </message>
        <message>
            <source>Side of the squares in which regions with true edges begin</source>
            <translation>Côté des carrés dont partent les régions aux contours réels</translation>
        </message>
        <message>
            <source>Unknown below</source>
            <translation>Inconnu sous</translation>
        </message>
        <message>
            <source>Smooth by majority</source>
            <translation>Lisser</translation>
        </message>
        <message>
            <source>Smallest region</source>
            <translation>Plus petite région</translation>
        </message>
        <message>
            <source>Size of regions</source>
            <translation>Taille des régions</translation>
        </message>
        <message>
            <source>rare classes</source>
            <translation>classes rares</translation>
        </message>
        <message>
            <source>filters</source>
            <translation>filtres</translation>
        </message>
        <message>
            <source>More</source>
            <translation>Plus</translation>
        </message>
    </context>
    <context>
        <name>MapProducts</name>
        <message>
            <source>Polygoni&amp;ze</source>
            <translation>Pol&amp;ygoniser</translation>
        </message>
        <message>
            <source>Regions with True E&amp;dges</source>
            <translation>Ré&amp;gions aux contours réels</translation>
        </message>
        <message>
            <source>Where to Label Ne&amp;xt</source>
            <translation>Où éti&amp;queter ensuite</translation>
        </message>
        <message>
            <source>The map's regions with class, area and confidence, as a GeoPackage</source>
            <translation>Les régions de la carte avec classe, surface et confiance, en GeoPackage</translation>
        </message>
        <message>
            <source>Regions that are learnt with their classes from the training polygons, with the share of each class, and what they cost beside this map</source>
            <translation>Régions apprises avec leurs classes des polygones d'entraînement, avec la part de chaque classe, et ce qu'elles coûtent par rapport à cette carte</translation>
        </message>
        <message>
            <source>20 places in doubt, spread over the scene, to be labelled</source>
            <translation>20 endroits douteux, répartis sur la scène, à étiqueter</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Cliquez d'abord sur Cartographier.</translation>
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation>Dessinez d'abord des polygones d'entraînement.</translation>
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation>Le fichier du classificateur a disparu ; cliquez de nouveau sur Cartographier.</translation>
        </message>
        <message>
            <source>Outlining the map's regions</source>
            <translation>Tracé des régions de la carte</translation>
        </message>
        <message>
            <source>Learning regions with true edges</source>
            <translation>Apprentissage de régions aux contours réels</translation>
        </message>
        <message>
            <source>Looking for places to label</source>
            <translation>Recherche d'endroits à étiqueter</translation>
        </message>
        <message>
            <source>Mapping with probabilities</source>
            <translation>Cartographie avec probabilités</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polygones</translation>
        </message>
        <message>
            <source>{polygons} outline the map's regions: {file}</source>
            <translation>{polygons} délimitant les régions de la carte : {file}</translation>
        </message>
        <message>
            <source>Class map of the regions</source>
            <translation>Carte des classes des régions</translation>
        </message>
        <message>
            <source>Regions with true edges</source>
            <translation>Régions aux contours réels</translation>
        </message>
        <message>
            <source>{count} regions with true edges.</source>
            <translation>{count} régions aux contours réels.</translation>
        </message>
        <message>
            <source>Held-out pixels that have the class of their region: {overall}; at best, with these regions: {achievable}.</source>
            <translation>Pixels réservés qui ont la classe de leur région : {overall} ; au mieux, avec ces régions : {achievable}.</translation>
        </message>
        <message>
            <source>The map of single pixels: {}.</source>
            <translation>La carte par pixel : {}.</translation>
        </message>
        <message>
            <source>Report: {}</source>
            <translation>Rapport : {}</translation>
        </message>
        <message>
            <source>Points to label</source>
            <translation>Points à étiqueter</translation>
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation>{} ne peut pas être ouvert comme couche vectorielle.</translation>
        </message>
    </context>
    <context>
        <name>MapSection</name>
        <message>
            <source>6  Map</source>
            <translation>6  Carte</translation>
        </message>
        <message>
            <source>Previe&amp;w</source>
            <translation>Aperç&amp;u</translation>
        </message>
        <message>
            <source>&amp;Map Scene</source>
            <translation>C&amp;artographier</translation>
        </message>
        <message>
            <source>Map what the map window shows, as a temporary layer</source>
            <translation>Cartographier ce que montre la fenêtre de carte, comme couche temporaire</translation>
        </message>
        <message>
            <source>Map the whole raster into a GeoTIFF, with its confidence</source>
            <translation>Cartographier tout le raster dans un GeoTIFF, avec sa confiance</translation>
        </message>
        <message>
            <source>Models…</source>
            <translation>Modèles…</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Choisissez d'abord une scène.</translation>
        </message>
        <message>
            <source>What was learned: look, use, rename, export, delete, free disk space</source>
            <translation>Ce qui a été appris : voir, utiliser, renommer, exporter, supprimer, libérer de l'espace disque</translation>
        </message>
        <message>
            <source>Polygons or classifier have changed since {}.</source>
            <translation>Les polygones ou le classificateur ont changé depuis {}.</translation>
        </message>
        <message>
            <source>The filters have changed since {}.</source>
            <translation>Les filtres ont changé depuis {}.</translation>
        </message>
        <message>
            <source>Map: {}</source>
            <translation>Carte : {}</translation>
        </message>
        <message>
            <source>Ready to map.</source>
            <translation>Prêt à cartographier.</translation>
        </message>
        <message>
            <source>Ready for a first map, without pretraining.</source>
            <translation>Prêt pour une première carte, sans préentraînement.</translation>
        </message>
        <message>
            <source>From a library alone: {}.</source>
            <translation>D'une bibliothèque seule : {}.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Attente des bandes du raster.</translation>
        </message>
        <message>
            <source>Pretrain the scene first, or choose another classifier under More.</source>
            <translation>Préentraînez d'abord la scène, ou choisissez un autre classificateur sous Plus.</translation>
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation>Dessinez d'abord des polygones d'entraînement.</translation>
        </message>
        <message>
            <source>The classifier MTMSD cannot learn spectra; choose another under More, or use none of them for training.</source>
            <translation>Le classificateur MTMSD ne peut pas apprendre de spectres ; choisissez-en un autre sous Plus, ou n'en utilisez aucun pour l'entraînement.</translation>
        </message>
        <message>
            <source>Draw polygons of at least two classes.</source>
            <translation>Dessinez des polygones d'au moins deux classes.</translation>
        </message>
        <message>
            <source>Draw more of {}: each class needs {} pixels.</source>
            <translation>Dessinez davantage de {} : chaque classe demande {} pixels.</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Attendez la fin de la tâche en cours.</translation>
        </message>
        <message>
            <source>The map window shows no part of the scene; zoom to it first.</source>
            <translation>La fenêtre de carte ne montre rien de la scène ; zoomez d'abord dessus.</translation>
        </message>
        <message>
            <source>Learning the classes</source>
            <translation>Apprentissage des classes</translation>
        </message>
        <message>
            <source>Mapping the view</source>
            <translation>Cartographie de la vue</translation>
        </message>
        <message>
            <source>Mapping the scene</source>
            <translation>Cartographie de la scène</translation>
        </message>
        <message>
            <source>Canceled; nothing was changed.</source>
            <translation>Annulé ; rien n'a été changé.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Carte des classes</translation>
        </message>
        <message>
            <source>Preview</source>
            <translation>Aperçu</translation>
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation>{} ne peut pas être ouvert comme raster.</translation>
        </message>
    </context>
    <context>
        <name>MapView</name>
        <message>
            <source>What the map was made with</source>
            <translation>Ce avec quoi la carte a été faite</translation>
        </message>
        <message>
            <source>Opacity of the map over the scene</source>
            <translation>Opacité de la carte sur la scène</translation>
        </message>
        <message>
            <source>Con&amp;fidence</source>
            <translation>C&amp;onfiance</translation>
        </message>
        <message>
            <source>Map Scene writes the confidence too.</source>
            <translation>Cartographier écrit aussi la confiance.</translation>
        </message>
        <message>
            <source>Opacit&amp;y</source>
            <translation>Opaci&amp;té</translation>
        </message>
        <message>
            <source>Show how sure the classifier is, from 0 to 1</source>
            <translation>Montrer à quel point le classificateur est sûr, de 0 à 1</translation>
        </message>
        <message>
            <source>Confidence</source>
            <translation>Confiance</translation>
        </message>
    </context>
    <context>
        <name>MaskRow</name>
        <message>
            <source>No mask</source>
            <translation>Aucun masque</translation>
        </message>
        <message>
            <source>Clouds, shadow, water to leave out: polygons, a raster on the scene's grid (all but 0), or the masks that come with a scene of EnMAP, EMIT or PRISMA</source>
            <translation>Nuages, ombre, eau à exclure : polygones, raster sur la grille de la scène (tout sauf 0), ou masques fournis avec une scène EnMAP, EMIT ou PRISMA</translation>
        </message>
        <message>
            <source>What of a raster mask is meant: bits=10,11 or values=3,8; empty: all but 0</source>
            <translation>Ce qui compte dans un masque raster : bits=10,11 ou values=3,8 ; vide : tout sauf 0</translation>
        </message>
        <message>
            <source>A mask is remembered by its file, and the layer {} has none; save it as one.</source>
            <translation>Un masque est retenu par son fichier, et la couche {} n'en a pas ; enregistrez-la dans un fichier.</translation>
        </message>
        <message>
            <source>Masks of the product</source>
            <translation>Masques du produit</translation>
        </message>
    </context>
    <context>
        <name>MatrixView</name>
        <message>
            <source>Map</source>
            <translation>Carte</translation>
        </message>
        <message>
            <source>Reference</source>
            <translation>Référence</translation>
        </message>
        <message>
            <source>{} pixels of {} are mapped as {}</source>
            <translation>{} pixels de {} sont cartographiés en {}</translation>
        </message>
    </context>
    <context>
        <name>ModelsDialog</name>
        <message>
            <source>Models of {}</source>
            <translation>Modèles de {}</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Nom</translation>
        </message>
        <message>
            <source>Kind</source>
            <translation>Type</translation>
        </message>
        <message>
            <source>Size</source>
            <translation>Taille</translation>
        </message>
        <message>
            <source>Date</source>
            <translation>Date</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Scène</translation>
        </message>
        <message>
            <source>&amp;Use</source>
            <translation>&amp;Utiliser</translation>
        </message>
        <message>
            <source>Re&amp;name…</source>
            <translation>&amp;Renommer…</translation>
        </message>
        <message>
            <source>E&amp;xport…</source>
            <translation>&amp;Exporter…</translation>
        </message>
        <message>
            <source>&amp;Delete…</source>
            <translation>&amp;Supprimer…</translation>
        </message>
        <message>
            <source>&amp;Free Disk Space…</source>
            <translation>Libérer de l'espace &amp;disque…</translation>
        </message>
        <message>
            <source>In use for {}.</source>
            <translation>Utilisé pour {}.</translation>
        </message>
        <message>
            <source>No model is selected.</source>
            <translation>Aucun modèle n'est sélectionné.</translation>
        </message>
        <message>
            <source>Select a model.</source>
            <translation>Sélectionnez un modèle.</translation>
        </message>
        <message>
            <source>Map the scene with this classifier now</source>
            <translation>Cartographier maintenant la scène avec ce classificateur</translation>
        </message>
        <message>
            <source>Take this diffusion model for the scene</source>
            <translation>Prendre ce modèle de diffusion pour la scène</translation>
        </message>
        <message>
            <source>Give the file another name</source>
            <translation>Donner un autre nom au fichier</translation>
        </message>
        <message>
            <source>Copy the file; one with a network also as ONNX</source>
            <translation>Copier le fichier ; avec un réseau, aussi en ONNX</translation>
        </message>
        <message>
            <source>Delete the file, after a question</source>
            <translation>Supprimer le fichier, après confirmation</translation>
        </message>
        <message>
            <source>The scene has no folder yet.</source>
            <translation>La scène n'a pas encore de dossier.</translation>
        </message>
        <message>
            <source>Delete earlier maps, reports and checkpoints of this scene that nothing shows or needs any more, after a question; models and polygons stay</source>
            <translation>Supprimer, après confirmation, les anciens rapports, cartes et points de reprise de cette scène que plus rien ne montre ni ne demande ; modèles et polygones restent</translation>
        </message>
        <message>
            <source>Rename Model</source>
            <translation>Renommer le modèle</translation>
        </message>
        <message>
            <source>Delete {}? This cannot be undone.</source>
            <translation>Supprimer {} ? C'est irréversible.</translation>
        </message>
        <message>
            <source>MTMSD model (*.safetensors)</source>
            <translation>Modèle MTMSD (*.safetensors)</translation>
        </message>
        <message>
            <source>ONNX (*.onnx)</source>
            <translation>ONNX (*.onnx)</translation>
        </message>
        <message>
            <source>Export Model</source>
            <translation>Exporter le modèle</translation>
        </message>
        <message>
            <source>{} is the file itself; choose another.</source>
            <translation>{} est le fichier lui-même ; choisissez-en un autre.</translation>
        </message>
        <message>
            <source>The model was saved to {}.</source>
            <translation>Le modèle a été enregistré dans {}.</translation>
        </message>
        <message>
            <source>{} is no classifier with a diffusion network; only those are written as ONNX. Export it as .safetensors.</source>
            <translation>{} n'est pas un classificateur avec réseau de diffusion ; seuls ceux-ci s'écrivent en ONNX. Exportez-le en .safetensors.</translation>
        </message>
        <message>
            <source>Exporting {}</source>
            <translation>Exportation de {}</translation>
        </message>
        <message>
            <source>The classifier was exported to {}.</source>
            <translation>Le classificateur a été exporté dans {}.</translation>
        </message>
        <message>
            <source>Nothing to delete: all files of {} are needed.</source>
            <translation>Rien à supprimer : tous les fichiers de {} sont nécessaires.</translation>
        </message>
        <message>
            <source>Files of earlier maps: {count}, {size}. Delete them? Neither this project nor the scene needs them; another project that shows them loses them. This cannot be undone.</source>
            <translation>Fichiers d'anciennes cartes : {count}, {size}. Les supprimer ? Ni ce projet ni la scène n'en ont besoin ; un autre projet qui les montre les perdra. C'est irréversible.</translation>
        </message>
        <message>
            <source>{} are free now.</source>
            <translation>Espace libéré : {}.</translation>
        </message>
        <message>
            <source>A job works in {}; wait until it has ended.</source>
            <translation>Une tâche travaille dans {} ; attendez qu'elle soit terminée.</translation>
        </message>
        <message>
            <source>Delete</source>
            <translation>Supprimer</translation>
        </message>
    </context>
    <context>
        <name>MoreSettings</name>
        <message>
            <source>More settings</source>
            <translation>Plus de réglages</translation>
        </message>
        <message>
            <source>Seldom needed; the Processing help lists every number</source>
            <translation>Rarement utile ; l'aide de Traitements donne chaque nombre</translation>
        </message>
        <message>
            <source>The same seed on the same machine gives the same map</source>
            <translation>La même graine sur la même machine donne la même carte</translation>
        </message>
        <message>
            <source>Bands to leave out besides the bad ones that are found</source>
            <translation>Bandes à exclure en plus des mauvaises qui sont trouvées</translation>
        </message>
        <message>
            <source>Single numbers of the preset, as KEY=VALUE</source>
            <translation>Nombres isolés du préréglage, sous la forme KEY=VALUE</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Graine</translation>
        </message>
        <message>
            <source>Leave &amp;out</source>
            <translation>E&amp;xclure</translation>
        </message>
        <message>
            <source>Num&amp;bers</source>
            <translation>No&amp;mbres</translation>
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
            <translation>choisir un raster hyperspectral, ou en ouvrir un.</translation>
        </message>
        <message>
            <source>learn the scene without labels, in the background.</source>
            <translation>apprendre la scène sans étiquettes, en arrière-plan.</translation>
        </message>
        <message>
            <source>add classes, or take them from a layer.</source>
            <translation>ajouter des classes, ou les prendre d'une couche.</translation>
        </message>
        <message>
            <source>draw some polygons of each class.</source>
            <translation>dessiner quelques polygones de chaque classe.</translation>
        </message>
        <message>
            <source>see whether the classes can be told apart.</source>
            <translation>voir si les classes se distinguent.</translation>
        </message>
        <message>
            <source>preview what you see, then map the scene.</source>
            <translation>prévisualiser la vue, puis cartographier la scène.</translation>
        </message>
        <message>
            <source>how far the map can be trusted.</source>
            <translation>voir à quel point se fier à la carte.</translation>
        </message>
        <message>
            <source>No browser opens the page; it is {}.</source>
            <translation>Aucun navigateur n'ouvre la page ; elle se trouve ici : {}.</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>Le moteur est prêt.</translation>
        </message>
        <message>
            <source>{} came to its end while QGIS was closed.</source>
            <translation>{} s'est terminé pendant que QGIS était fermé.</translation>
        </message>
        <message>
            <source>{} is done after {}.</source>
            <translation>{} est terminé après {}.</translation>
        </message>
        <message>
            <source>{} was removed; the running job goes on with its file.</source>
            <translation>{} a été retiré ; la tâche en cours continue avec son fichier.</translation>
        </message>
    </context>
    <context>
        <name>OtherScenes</name>
        <message>
            <source>Map Other Scenes…</source>
            <translation>Autres scènes…</translation>
        </message>
        <message>
            <source>Map layers, files or the scenes of a folder with this scene's classifier</source>
            <translation>Cartographier des couches, des fichiers ou les scènes d'un dossier avec le classificateur de cette scène</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Cliquez d'abord sur Cartographier.</translation>
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation>Le fichier du classificateur a disparu ; cliquez de nouveau sur Cartographier.</translation>
        </message>
        <message>
            <source>Mapping other scenes</source>
            <translation>Cartographie d'autres scènes</translation>
        </message>
        <message>
            <source>Canceled; the finished maps are in {}. The same scenes and folder go on there.</source>
            <translation>Annulé ; les cartes terminées sont dans {}. Avec les mêmes scènes et le même dossier, le travail reprend là.</translation>
        </message>
        <message>
            <source>Other scenes</source>
            <translation>Autres scènes</translation>
        </message>
        <message>
            <source>{count} of {all} scenes were mapped into {folder}.</source>
            <translation>Scènes cartographiées : {count} sur {all}, dans {folder}.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Carte des classes</translation>
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation>{} ne peut pas être ouvert comme raster.</translation>
        </message>
    </context>
    <context>
        <name>OtherScenesDialog</name>
        <message>
            <source>Map Other Scenes</source>
            <translation>Cartographier d'autres scènes</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Scène</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Bandes</translation>
        </message>
        <message>
            <source>Result</source>
            <translation>Résultat</translation>
        </message>
        <message>
            <source>Those with as many bands as the scene are ticked; tick or untick others.</source>
            <translation>Celles qui ont autant de bandes que la scène sont cochées ; cochez-en ou décochez-en d'autres.</translation>
        </message>
        <message>
            <source>Gets a class map for each scene, of the scene's name</source>
            <translation>Reçoit une carte des classes par scène, au nom de la scène</translation>
        </message>
        <message>
            <source>One mosaic of all maps, for scenes on one grid</source>
            <translation>Une mosaïque des cartes, si les scènes ont la même grille</translation>
        </message>
        <message>
            <source>Where maps overlap, their probabilities are blended.</source>
            <translation>Là où des cartes se recouvrent, leurs probabilités sont fondues.</translation>
        </message>
        <message>
            <source>Leave out the clouds and shadows that products mark</source>
            <translation>Exclure nuages et ombres marqués dans les produits</translation>
        </message>
        <message>
            <source>Of scenes of EnMAP, EMIT or PRISMA</source>
            <translation>Pour les scènes EnMAP, EMIT ou PRISMA</translation>
        </message>
        <message>
            <source>Folder of the maps</source>
            <translation>Dossier des cartes</translation>
        </message>
        <message>
            <source>Add Files…</source>
            <translation>Ajouter des fichiers…</translation>
        </message>
        <message>
            <source>Add Folder…</source>
            <translation>Ajouter un dossier…</translation>
        </message>
        <message>
            <source>Tick All</source>
            <translation>Tout cocher</translation>
        </message>
        <message>
            <source>Untick All</source>
            <translation>Tout décocher</translation>
        </message>
        <message>
            <source>Map Scenes</source>
            <translation>Cartographier</translation>
        </message>
        <message>
            <source>Cancel Job</source>
            <translation>Annuler la tâche</translation>
        </message>
        <message>
            <source>Finished maps are kept</source>
            <translation>Les cartes terminées sont gardées</translation>
        </message>
        <message>
            <source>Close</source>
            <translation>Fermer</translation>
        </message>
        <message>
            <source>A job goes on without this window</source>
            <translation>Une tâche en cours continue sans cette fenêtre</translation>
        </message>
        <message>
            <source>Mapped: {}</source>
            <translation>Cartographiée : {}</translation>
        </message>
        <message>
            <source>Add Scenes</source>
            <translation>Ajouter des scènes</translation>
        </message>
        <message>
            <source>Add the Scenes of a Folder</source>
            <translation>Ajouter les scènes d'un dossier</translation>
        </message>
        <message>
            <source>There is no raster in this folder.</source>
            <translation>Il n'y a pas de raster dans ce dossier.</translation>
        </message>
        <message>
            <source>Classifier: {}</source>
            <translation>Classificateur : {}</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Attendez la fin de la tâche en cours.</translation>
        </message>
        <message>
            <source>Choose scenes: tick them in the list, or add files or a folder.</source>
            <translation>Choisissez des scènes : cochez-les dans la liste, ou ajoutez des fichiers ou un dossier.</translation>
        </message>
        <message>
            <source>Choose the folder of the maps.</source>
            <translation>Choisissez le dossier des cartes.</translation>
        </message>
        <message>
            <source>Map the ticked scenes with this classifier</source>
            <translation>Cartographier les scènes cochées avec ce classificateur</translation>
        </message>
    </context>
    <context>
        <name>PlanPage</name>
        <message>
            <source>Learns, trains, maps and assesses, with PyTorch</source>
            <translation>Apprend, entraîne, cartographie et évalue, avec PyTorch</translation>
        </message>
        <message>
            <source>Classifies and assesses with models that others trained</source>
            <translation>Classe et évalue avec des modèles que d'autres ont entraînés</translation>
        </message>
        <message>
            <source>For which device the packages are installed</source>
            <translation>Pour quel appareil les paquets sont installés</translation>
        </message>
        <message>
            <source>Where the environment will lie; an update of the plugin does not touch it</source>
            <translation>Où l'environnement se trouvera ; une mise à jour de l'extension n'y touche pas</translation>
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation>A&amp;ppareil</translation>
        </message>
        <message>
            <source>Fol&amp;der</source>
            <translation>&amp;Dossier</translation>
        </message>
        <message>
            <source>An index of packages that replaces the ordinary one, PyTorch's too</source>
            <translation>Un index de paquets à la place de l'ordinaire, aussi pour PyTorch</translation>
        </message>
        <message>
            <source>http://user[:password]@host:port; empty: the one QGIS has</source>
            <translation>http://user[:password]@host:port ; vide : celui de QGIS</translation>
        </message>
        <message>
            <source>A folder of wheels, for a machine without network; then none is used</source>
            <translation>Un dossier de wheels, pour une machine sans réseau ; aucun n'est alors utilisé</translation>
        </message>
        <message>
            <source>The Python to build from, or that of an environment that has everything</source>
            <translation>Le Python à partir duquel construire, ou celui d'un environnement qui a tout</translation>
        </message>
        <message>
            <source>Advanced</source>
            <translation>Avancé</translation>
        </message>
        <message>
            <source>&amp;Index URL</source>
            <translation>URL de l'&amp;index</translation>
        </message>
        <message>
            <source>Pro&amp;xy</source>
            <translation>Pro&amp;xy</translation>
        </message>
        <message>
            <source>&amp;Wheel folder</source>
            <translation>Dossier de &amp;wheels</translation>
        </message>
        <message>
            <source>P&amp;ython</source>
            <translation>P&amp;ython</translation>
        </message>
        <message>
            <source>the ordinary one</source>
            <translation>l'ordinaire</translation>
        </message>
        <message>
            <source>none</source>
            <translation>aucun</translation>
        </message>
        <message>
            <source>the best that is there</source>
            <translation>le meilleur disponible</translation>
        </message>
        <message>
            <source>&amp;Everything</source>
            <translation>&amp;Tout</translation>
        </message>
        <message>
            <source>Classify &amp;only</source>
            <translation>&amp;Classer seulement</translation>
        </message>
        <message>
            <source>{} (≈ {})</source>
            <translation>{} (≈ {})</translation>
        </message>
        <message>
            <source>Looking at this machine…</source>
            <translation>Examen de cette machine…</translation>
        </message>
        <message>
            <source>{} (Python {}) has all the engine's libraries already: nothing is installed.</source>
            <translation>{} (Python {}) a déjà toutes les bibliothèques du moteur : rien n'est installé.</translation>
        </message>
    </context>
    <context>
        <name>PolygonsSection</name>
        <message>
            <source>4  Polygons</source>
            <translation>4  Polygones</translation>
        </message>
        <message>
            <source>Draw a polygon; right or double click ends it</source>
            <translation>Dessiner un polygone ; un clic droit ou un double-clic le termine</translation>
        </message>
        <message>
            <source>Drag a rectangle</source>
            <translation>Tracer un rectangle</translation>
        </message>
        <message>
            <source>Drag an outline freehand</source>
            <translation>Tracer un contour à main levée</translation>
        </message>
        <message>
            <source>Click a pixel: similar neighbours join it</source>
            <translation>Cliquer sur un pixel : ses voisins semblables s'y ajoutent</translation>
        </message>
        <message>
            <source>There is nothing to undo.</source>
            <translation>Il n'y a rien à annuler.</translation>
        </message>
        <message>
            <source>There is nothing to redo.</source>
            <translation>Il n'y a rien à rétablir.</translation>
        </message>
        <message>
            <source>Select polygons</source>
            <translation>Sélectionner des polygones</translation>
        </message>
        <message>
            <source>Move vertices of a polygon</source>
            <translation>Déplacer les sommets d'un polygone</translation>
        </message>
        <message>
            <source>Move polygons</source>
            <translation>Déplacer des polygones</translation>
        </message>
        <message>
            <source>Delete the selected polygons</source>
            <translation>Supprimer les polygones sélectionnés</translation>
        </message>
        <message>
            <source>Save the polygons to their file</source>
            <translation>Enregistrer les polygones dans leur fichier</translation>
        </message>
        <message>
            <source>How far a pixel's spectrum may be from the clicked one</source>
            <translation>À quel point le spectre d'un pixel peut s'écarter de celui du pixel cliqué</translation>
        </message>
        <message>
            <source>Add Re&amp;gion</source>
            <translation>Ajouter la région</translation>
        </message>
        <message>
            <source>Take the shown region as a polygon (right click, Enter)</source>
            <translation>Prendre la région montrée comme polygone (clic droit, Entrée)</translation>
        </message>
        <message>
            <source>Tolerance</source>
            <translation>Tolérance</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Choisissez d'abord une scène.</translation>
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation>Attendez que la couche soit lue.</translation>
        </message>
        <message>
            <source>Add a class first, and select it.</source>
            <translation>Ajoutez d'abord une classe et sélectionnez-la.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Attente des bandes du raster.</translation>
        </message>
        <message>
            <source>There are no polygons yet.</source>
            <translation>Il n'y a pas encore de polygones.</translation>
        </message>
        <message>
            <source>All polygons are saved.</source>
            <translation>Tous les polygones sont enregistrés.</translation>
        </message>
        <message>
            <source>Draw some polygons of {}.</source>
            <translation>Dessinez des polygones de {}.</translation>
        </message>
        <message>
            <source>{}; drawing {}</source>
            <translation>{} ; dessin de {}</translation>
        </message>
        <message>
            <source>not saved</source>
            <translation>non enregistré</translation>
        </message>
        <message>
            <source>Undo: {}</source>
            <translation>Annuler : {}</translation>
        </message>
        <message>
            <source>Redo: {}</source>
            <translation>Rétablir : {}</translation>
        </message>
        <message>
            <source>Click the corners; right or double click ends, Escape drops it.</source>
            <translation>Cliquez sur les sommets ; un clic droit ou un double-clic termine, Échap abandonne.</translation>
        </message>
        <message>
            <source>Drag from corner to corner.</source>
            <translation>Faites glisser d'un coin à l'autre.</translation>
        </message>
        <message>
            <source>Hold the button and go around.</source>
            <translation>Maintenez le bouton enfoncé et faites le tour.</translation>
        </message>
        <message>
            <source>Click a pixel, then move the slider; right click takes the region.</source>
            <translation>Cliquez sur un pixel, puis bougez le curseur ; le clic droit prend la région.</translation>
        </message>
        <message>
            <source>The polygon cannot be brought into the scene's coordinates.</source>
            <translation>Le polygone ne peut pas être converti dans les coordonnées de la scène.</translation>
        </message>
        <message>
            <source>The polygon is outside the scene and was not added.</source>
            <translation>Le polygone est hors de la scène et n'a pas été ajouté.</translation>
        </message>
        <message>
            <source>The polygon crossed itself and was mended into {} parts.</source>
            <translation>Le polygone se croisait lui-même et a été réparé en {} parties.</translation>
        </message>
        <message>
            <source>{}; right click or Add Region takes the region.</source>
            <translation>{} ; clic droit ou Ajouter la région prend la région.</translation>
        </message>
        <message>
            <source>There is no region yet: press the tool that grows, then click a pixel.</source>
            <translation>Pas encore de région : choisissez l'outil de croissance, puis cliquez sur un pixel.</translation>
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation>Sélectionnez d'abord des polygones.</translation>
        </message>
        <message>
            <source>Delete polygons</source>
            <translation>Supprimer des polygones</translation>
        </message>
    </context>
    <context>
        <name>PretrainingSection</name>
        <message>
            <source>2  Pretraining</source>
            <translation>2  Préentraînement</translation>
        </message>
        <message>
            <source>Pretraining</source>
            <translation>Préentraînement</translation>
        </message>
        <message>
            <source>Quick – a first look</source>
            <translation>Rapide – un premier aperçu</translation>
        </message>
        <message>
            <source>Balanced – good maps</source>
            <translation>Équilibré – de bonnes cartes</translation>
        </message>
        <message>
            <source>Paper – as published, needs a GPU</source>
            <translation>Article – comme publié, avec GPU</translation>
        </message>
        <message>
            <source>How long and how large the model learns</source>
            <translation>Combien de temps le modèle apprend, et sa taille</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>Automatique</translation>
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
            <translation>Où le moteur préentraîne, entraîne et cartographie ; Automatique prend un GPU s'il y en a un</translation>
        </message>
        <message>
            <source>&amp;Preset</source>
            <translation>P&amp;réréglage</translation>
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation>A&amp;ppareil</translation>
        </message>
        <message>
            <source>P&amp;retrain</source>
            <translation>Pré&amp;entraîner</translation>
        </message>
        <message>
            <source>Take a model that exists, of this scene or one of the same sensor…</source>
            <translation>Prendre un modèle existant, de cette scène ou d'une scène du même capteur…</translation>
        </message>
        <message>
            <source>The loss of pretraining: it falls fast, then slowly</source>
            <translation>La perte du préentraînement : elle baisse vite, puis lentement</translation>
        </message>
        <message>
            <source>Found the model {} of this scene.</source>
            <translation>Modèle {} de cette scène trouvé.</translation>
        </message>
        <message>
            <source>Pa&amp;use</source>
            <translation>Pau&amp;se</translation>
        </message>
        <message>
            <source>Stop after the present step; what was learned is kept</source>
            <translation>Arrêter après l'itération en cours ; ce qui est appris est gardé</translation>
        </message>
        <message>
            <source>&amp;Resume</source>
            <translation>R&amp;eprendre</translation>
        </message>
        <message>
            <source>Learn the scene in the background; go on drawing meanwhile</source>
            <translation>Apprendre la scène en arrière-plan ; continuez à dessiner pendant ce temps</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Choisissez d'abord une scène.</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Attendez la fin de la tâche en cours.</translation>
        </message>
        <message>
            <source>Paused; Resume goes on from the last checkpoint.</source>
            <translation>En pause ; Reprendre continue du dernier point de reprise.</translation>
        </message>
        <message>
            <source>Model: {}</source>
            <translation>Modèle : {}</translation>
        </message>
        <message>
            <source>No model yet: press Pretrain.</source>
            <translation>Pas encore de modèle : cliquez sur Préentraîner.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Attente des bandes du raster.</translation>
        </message>
        <message>
            <source>Pausing: writing a checkpoint…</source>
            <translation>Mise en pause : écriture d'un point de reprise…</translation>
        </message>
        <message>
            <source>Taking up the job that went on without QGIS…</source>
            <translation>Reprise de la tâche qui a continué sans QGIS…</translation>
        </message>
        <message>
            <source>Starting the engine…</source>
            <translation>Démarrage du moteur…</translation>
        </message>
        <message>
            <source>{} {} of {}</source>
            <translation>{} {} sur {}</translation>
        </message>
        <message>
            <source>{} left</source>
            <translation>reste {}</translation>
        </message>
        <message>
            <source>Choose a Diffusion Model</source>
            <translation>Choisir un modèle de diffusion</translation>
        </message>
        <message>
            <source>Diffusion models (*.safetensors)</source>
            <translation>Modèles de diffusion (*.safetensors)</translation>
        </message>
        <message>
            <source>{} is not a diffusion model.</source>
            <translation>{} n'est pas un modèle de diffusion.</translation>
        </message>
        <message>
            <source>{} was learned on a raster with other bands.</source>
            <translation>{} a été appris sur un raster d'autres bandes.</translation>
        </message>
        <message>
            <source>The model is of another scene of the same sensor.</source>
            <translation>Le modèle est d'une autre scène du même capteur.</translation>
        </message>
    </context>
    <context>
        <name>ProgressPage</name>
        <message>
            <source>What the tools said</source>
            <translation>Ce que les outils ont dit</translation>
        </message>
        <message>
            <source>Log</source>
            <translation>Journal</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>Le moteur est prêt.</translation>
        </message>
        <message>
            <source>Canceled; what was fetched is kept for the next time.</source>
            <translation>Annulé ; ce qui a été téléchargé est gardé pour la prochaine fois.</translation>
        </message>
        <message>
            <source>It computes on: {}. Open a scene and begin.</source>
            <translation>Il calcule sur : {}. Ouvrez une scène et commencez.</translation>
        </message>
    </context>
    <context>
        <name>ReferenceClasses</name>
        <message>
            <source>The field of the reference that holds the class</source>
            <translation>Le champ de la référence qui contient la classe</translation>
        </message>
        <message>
            <source>Reference</source>
            <translation>Référence</translation>
        </message>
        <message>
            <source>Map</source>
            <translation>Carte</translation>
        </message>
        <message>
            <source>Which class of the map each class of the reference is</source>
            <translation>À quelle classe de la carte correspond chaque classe de la référence</translation>
        </message>
        <message>
            <source>Class field</source>
            <translation>Champ de classe</translation>
        </message>
        <message>
            <source>none: counts as wrong</source>
            <translation>aucune : compte comme fausse</translation>
        </message>
        <message>
            <source>left out</source>
            <translation>exclue</translation>
        </message>
        <message>
            <source>The map's class for {}</source>
            <translation>La classe de la carte pour {}</translation>
        </message>
    </context>
    <context>
        <name>Run</name>
        <message>
            <source>The Processing provider of MTMSD is not loaded.</source>
            <translation>Le fournisseur de traitements de MTMSD n'est pas chargé.</translation>
        </message>
        <message>
            <source>The algorithm cannot be started.</source>
            <translation>L'algorithme ne peut pas démarrer.</translation>
        </message>
        <message>
            <source>The algorithm failed; see its log.</source>
            <translation>L'algorithme a échoué ; voyez son journal.</translation>
        </message>
    </context>
    <context>
        <name>SampleProject</name>
        <message>
            <source>The sample cannot be copied: {}</source>
            <translation>L'exemple ne peut pas être copié : {}</translation>
        </message>
        <message>
            <source>The sample, as you left it; delete {} to begin anew.</source>
            <translation>L'exemple, tel que vous l'avez laissé ; supprimez {} pour repartir de zéro.</translation>
        </message>
        <message>
            <source>EnMAP Potsdam</source>
            <translation>EnMAP Potsdam</translation>
        </message>
        <message>
            <source>Validation polygons</source>
            <translation>Polygones de validation</translation>
        </message>
        <message>
            <source>MTMSD sample: EnMAP Potsdam</source>
            <translation>Exemple MTMSD : EnMAP Potsdam</translation>
        </message>
        <message>
            <source>{path} cannot be written: {reason}</source>
            <translation>{path} ne peut pas être écrit : {reason}</translation>
        </message>
        <message>
            <source>The sample is in {}, with classes and polygons: press Pretrain.</source>
            <translation>L'exemple est dans {}, avec classes et polygones : cliquez sur Préentraîner.</translation>
        </message>
    </context>
    <context>
        <name>SceneSection</name>
        <message>
            <source>1  Scene</source>
            <translation>1  Scène</translation>
        </message>
        <message>
            <source>No scene chosen</source>
            <translation>Aucune scène choisie</translation>
        </message>
        <message>
            <source>The hyperspectral raster to map</source>
            <translation>Le raster hyperspectral à cartographier</translation>
        </message>
        <message>
            <source>Follow the layer tree: the active raster becomes the scene</source>
            <translation>Suivre l'arbre des couches : le raster actif devient la scène</translation>
        </message>
        <message>
            <source>Open a raster, its header, a product's METADATA.XML or zip…</source>
            <translation>Ouvrir un raster, son en-tête, le METADATA.XML ou le zip d'un produit…</translation>
        </message>
        <message>
            <source>Open the folder of a satellite product…</source>
            <translation>Ouvrir le dossier d'un produit satellite…</translation>
        </message>
        <message>
            <source>Mask</source>
            <translation>Masque</translation>
        </message>
        <message>
            <source>&amp;True Colour</source>
            <translation>&amp;Couleurs vraies</translation>
        </message>
        <message>
            <source>Red 650, green 550, blue 470 nm</source>
            <translation>Rouge 650, vert 550, bleu 470 nm</translation>
        </message>
        <message>
            <source>&amp;Infrared</source>
            <translation>&amp;Infrarouge</translation>
        </message>
        <message>
            <source>Near infrared 860, red 650, green 550 nm</source>
            <translation>Proche infrarouge 860, rouge 650, vert 550 nm</translation>
        </message>
        <message>
            <source>&amp;SWIR</source>
            <translation>S&amp;WIR</translation>
        </message>
        <message>
            <source>Short-wave 2200, 1650 and near infrared 860 nm</source>
            <translation>Ondes courtes 2200, 1650 et proche infrarouge 860 nm</translation>
        </message>
        <message>
            <source>Size</source>
            <translation>Taille</translation>
        </message>
        <message>
            <source>Columns × rows, and the size of a pixel</source>
            <translation>Colonnes × lignes, et la taille d'un pixel</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Bandes</translation>
        </message>
        <message>
            <source>Bands used, of all in the file</source>
            <translation>Bandes utilisées, sur toutes celles du fichier</translation>
        </message>
        <message>
            <source>Wavelengths</source>
            <translation>Longueurs d'onde</translation>
        </message>
        <message>
            <source>From the first to the last used band</source>
            <translation>De la première à la dernière bande utilisée</translation>
        </message>
        <message>
            <source>Left out</source>
            <translation>Exclues</translation>
        </message>
        <message>
            <source>Bands that are not used, and why</source>
            <translation>Bandes non utilisées, et pourquoi</translation>
        </message>
        <message>
            <source>No data</source>
            <translation>Sans données</translation>
        </message>
        <message>
            <source>Share of pixels without data or masked</source>
            <translation>Part des pixels sans données ou masqués</translation>
        </message>
        <message>
            <source>CRS</source>
            <translation>SCR</translation>
        </message>
        <message>
            <source>Coordinate reference system</source>
            <translation>Système de coordonnées de référence</translation>
        </message>
        <message>
            <source>Open a Hyperspectral Raster</source>
            <translation>Ouvrir un raster hyperspectral</translation>
        </message>
        <message>
            <source>Open the Folder of a Product</source>
            <translation>Ouvrir le dossier d'un produit</translation>
        </message>
        <message>
            <source>Looking for the scene of {}…</source>
            <translation>Recherche de la scène de {}…</translation>
        </message>
        <message>
            <source>{} is not a raster that QGIS can read.</source>
            <translation>{} n'est pas un raster que QGIS sait lire.</translation>
        </message>
        <message>
            <source>Choose a hyperspectral raster, or open one.</source>
            <translation>Choisissez un raster hyperspectral, ou ouvrez-en un.</translation>
        </message>
        <message>
            <source>Looking at the raster…</source>
            <translation>Examen du raster…</translation>
        </message>
        <message>
            <source>{} px, {} bands used</source>
            <translation>{} px, {} bandes utilisées</translation>
        </message>
        <message>
            <source>{:.0f} to {:.0f} nm</source>
            <translation>{:.0f} à {:.0f} nm</translation>
        </message>
        <message>
            <source>not in the file</source>
            <translation>pas dans le fichier</translation>
        </message>
        <message>
            <source>{} of {}</source>
            <translation>{} sur {}</translation>
        </message>
        <message>
            <source>none</source>
            <translation>aucun</translation>
        </message>
        <message>
            <source>{} px masked</source>
            <translation>{} px masqués</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Choisissez d'abord une scène.</translation>
        </message>
        <message>
            <source>The bands are not known yet.</source>
            <translation>Les bandes ne sont pas encore connues.</translation>
        </message>
        <message>
            <source>The raster has no wavelengths.</source>
            <translation>Le raster n'a pas de longueurs d'onde.</translation>
        </message>
        <message>
            <source>The raster has no bands near {} nm.</source>
            <translation>Le raster n'a pas de bandes vers {} nm.</translation>
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
            <translation>Installer le moteur MTMSD</translation>
        </message>
        <message>
            <source>&amp;Back</source>
            <translation>R&amp;etour</translation>
        </message>
        <message>
            <source>Choose otherwise: folder, device, source</source>
            <translation>Choisir autrement : dossier, appareil, source</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>A&amp;nnuler</translation>
        </message>
        <message>
            <source>Stop; what was fetched is kept for the next time</source>
            <translation>Arrêter ; ce qui a été téléchargé est gardé pour la prochaine fois</translation>
        </message>
        <message>
            <source>Begin: now something is fetched and written</source>
            <translation>Commencer : maintenant quelque chose est téléchargé et écrit</translation>
        </message>
        <message>
            <source>C&amp;lose</source>
            <translation>&amp;Fermer</translation>
        </message>
        <message>
            <source>Close this window; the set-up goes on and the dock shows it</source>
            <translation>Fermer cette fenêtre ; l'installation continue et le panneau la montre</translation>
        </message>
        <message>
            <source>Close this window</source>
            <translation>Fermer cette fenêtre</translation>
        </message>
        <message>
            <source>&amp;Try Again</source>
            <translation>&amp;Réessayer</translation>
        </message>
        <message>
            <source>&amp;Use This Python</source>
            <translation>&amp;Utiliser ce Python</translation>
        </message>
        <message>
            <source>&amp;Set Up</source>
            <translation>In&amp;staller</translation>
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation>Attendez que le moteur soit installé.</translation>
        </message>
        <message>
            <source>Wait: this machine is being looked at.</source>
            <translation>Attendez : cette machine est examinée.</translation>
        </message>
        <message>
            <source>This cannot be set up; the text above says why.</source>
            <translation>Ceci ne peut pas être installé ; le texte ci-dessus dit pourquoi.</translation>
        </message>
    </context>
    <context>
        <name>SpectraImport</name>
        <message>
            <source>Import Spectra…</source>
            <translation>Importer…</translation>
        </message>
        <message>
            <source>Spectra of a library, at the scene's bands and in its units: ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD</source>
            <translation>Spectres d'une bibliothèque, aux bandes et dans les unités de la scène : ENVI (.sli), CSV, texte de l'USGS ou d'ECOSTRESS, ASD</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Choisissez d'abord une scène.</translation>
        </message>
        <message>
            <source>Imported ({}, {} of them train)</source>
            <translation>Importés ({}, dont {} entraînent)</translation>
        </message>
        <message>
            <source>Imported ({})</source>
            <translation>Importés ({})</translation>
        </message>
        <message>
            <source>The imported spectra, dashed in the plot; train with them or remove them here</source>
            <translation>Les spectres importés, en tirets dans le graphique ; entraîner avec eux ou les retirer ici</translation>
        </message>
        <message>
            <source>Remove</source>
            <translation>Retirer</translation>
        </message>
        <message>
            <source>Use None for Training</source>
            <translation>N'en utiliser aucun pour l'entraînement</translation>
        </message>
        <message>
            <source>Remove All</source>
            <translation>Tout retirer</translation>
        </message>
        <message>
            <source>Not Used for Training</source>
            <translation>Non utilisé pour l'entraînement</translation>
        </message>
        <message>
            <source>Train {}</source>
            <translation>Entraîner {}</translation>
        </message>
        <message>
            <source>Train a New Class</source>
            <translation>Entraîner une nouvelle classe</translation>
        </message>
        <message>
            <source>{} has no values at {} of the scene's bands, so it cannot train; leave these bands out, then import it again.</source>
            <translation>{} n'a pas de valeurs pour {} des bandes de la scène et ne peut donc pas entraîner ; excluez ces bandes, puis importez-le de nouveau.</translation>
        </message>
        <message>
            <source>The class is gone that these spectra trained: {}.</source>
            <translation>La classe que ces spectres entraînaient n'existe plus : {}.</translation>
        </message>
        <message>
            <source>Import Spectra</source>
            <translation>Importer des spectres</translation>
        </message>
        <message>
            <source>Spectral libraries</source>
            <translation>Bibliothèques spectrales</translation>
        </message>
        <message>
            <source>All files</source>
            <translation>Tous les fichiers</translation>
        </message>
        <message>
            <source>The engine sees other bands of the scene now; open it again.</source>
            <translation>Le moteur voit maintenant d'autres bandes de la scène ; ouvrez-la de nouveau.</translation>
        </message>
        <message>
            <source>{} spectra were imported.</source>
            <translation>{} spectres importés.</translation>
        </message>
    </context>
    <context>
        <name>SpectraPins</name>
        <message>
            <source>Pin</source>
            <translation>Épingler</translation>
        </message>
        <message>
            <source>Remove Pins</source>
            <translation>Tout désépingler</translation>
        </message>
        <message>
            <source>Export Spectra…</source>
            <translation>Exporter…</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Choisissez d'abord une scène.</translation>
        </message>
        <message>
            <source>Click pixels in the map: their spectra stay in the plot</source>
            <translation>Cliquez sur des pixels de la carte : leurs spectres restent dans le graphique</translation>
        </message>
        <message>
            <source>There are no pinned spectra.</source>
            <translation>Il n'y a pas de spectres épinglés.</translation>
        </message>
        <message>
            <source>Take the pinned spectra out of the plot</source>
            <translation>Retirer du graphique les spectres épinglés</translation>
        </message>
        <message>
            <source>Classes (mean, standard deviation) and pins as CSV, .sli or GeoPackage</source>
            <translation>Classes (moyenne, écart-type) et spectres épinglés en CSV, .sli ou GeoPackage</translation>
        </message>
        <message>
            <source>There are no spectra yet: draw polygons, or pin pixels.</source>
            <translation>Pas encore de spectres : dessinez des polygones ou épinglez des pixels.</translation>
        </message>
        <message>
            <source>There is no data at that place.</source>
            <translation>Il n'y a pas de données à cet endroit.</translation>
        </message>
        <message>
            <source>pin {}</source>
            <translation>épingle {}</translation>
        </message>
        <message>
            <source>Export Spectra</source>
            <translation>Exporter les spectres</translation>
        </message>
        <message>
            <source>{} spectra were written to {}.</source>
            <translation>{} spectres écrits dans {}.</translation>
        </message>
    </context>
    <context>
        <name>SpectraPlot</name>
        <message>
            <source>cursor</source>
            <translation>curseur</translation>
        </message>
        <message>
            <source>As read: values up to {} are no reflectance</source>
            <translation>Tel que lu : des valeurs jusqu'à {} ne sont pas des réflectances</translation>
        </message>
        <message>
            <source>Reflectance: values ÷ {}</source>
            <translation>Réflectance : valeurs ÷ {}</translation>
        </message>
        <message>
            <source>Each from its least to its greatest value</source>
            <translation>Chacun de sa plus petite à sa plus grande valeur</translation>
        </message>
        <message>
            <source>Continuum removed, none over gaps</source>
            <translation>Continuum retiré, sans enjamber les lacunes</translation>
        </message>
        <message>
            <source>band {}</source>
            <translation>bande {}</translation>
        </message>
        <message>
            <source>Point at the scene on the map</source>
            <translation>Pointez sur la scène dans la carte</translation>
        </message>
    </context>
    <context>
        <name>SpectraSection</name>
        <message>
            <source>5  Spectra</source>
            <translation>5  Spectres</translation>
        </message>
        <message>
            <source>Mean and standard deviation of each class; dashed: the pixel at the cursor. The wheel or a drag zooms, a double click goes back</source>
            <translation>Moyenne et écart-type de chaque classe ; en tirets : le pixel sous le curseur. La molette ou un glissement zoome, un double-clic revient</translation>
        </message>
        <message>
            <source>Jeffries–Matusita distance of two classes: 0 alike, 2 well apart</source>
            <translation>Distance de Jeffries-Matusita de deux classes : 0 semblables, 2 bien séparées</translation>
        </message>
        <message>
            <source>nm</source>
            <translation>nm</translation>
        </message>
        <message>
            <source>band</source>
            <translation>bande</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Choisissez d'abord une scène.</translation>
        </message>
        <message>
            <source>Point at the map; classes appear with their polygons.</source>
            <translation>Pointez sur la carte ; les classes apparaissent avec leurs polygones.</translation>
        </message>
        <message>
            <source>Two classes of 5 pixels or more can be compared.</source>
            <translation>Deux classes d'au moins 5 pixels peuvent être comparées.</translation>
        </message>
        <message>
            <source>Most alike: {} and {} ({} of 2)</source>
            <translation>Les plus semblables : {} et {} ({} sur 2)</translation>
        </message>
    </context>
    <context>
        <name>SpectraView</name>
        <message>
            <source>Scale of the plot alone; what is exported stays as read</source>
            <translation>Échelle du graphique seul ; l'export reste tel que lu</translation>
        </message>
        <message>
            <source>As read</source>
            <translation>Tel que lu</translation>
        </message>
        <message>
            <source>Reflectance, 0 to 1</source>
            <translation>Réflectance, 0 à 1</translation>
        </message>
        <message>
            <source>Min–max of each</source>
            <translation>Min–max de chacun</translation>
        </message>
        <message>
            <source>Continuum removed</source>
            <translation>Continuum retiré</translation>
        </message>
        <message>
            <source>Scale</source>
            <translation>Échelle</translation>
        </message>
    </context>
    <context>
        <name>SpectralAngle</name>
        <message>
            <source>Spectral Angle…</source>
            <translation>Angle spectral…</translation>
        </message>
        <message>
            <source>How far each pixel is from the pinned and imported spectra, as a layer</source>
            <translation>Écart de chaque pixel aux spectres épinglés et importés, sous forme de couche</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Choisissez d'abord une scène.</translation>
        </message>
        <message>
            <source>There are no spectra to measure by: pin pixels, or import spectra.</source>
            <translation>Il n'y a aucun spectre de comparaison : épinglez des pixels ou importez des spectres.</translation>
        </message>
        <message>
            <source>The scene has no wavelengths, by which spectra are compared.</source>
            <translation>La scène n'a pas de longueurs d'onde, nécessaires pour comparer les spectres.</translation>
        </message>
    </context>
    <context>
        <name>SpeedEstimate</name>
        <message>
            <source>Meas&amp;ure</source>
            <translation>Me&amp;surer</translation>
        </message>
        <message>
            <source>Run a few steps on this machine to learn how long this preset takes</source>
            <translation>Exécuter quelques itérations sur cette machine pour savoir combien dure ce préréglage</translation>
        </message>
        <message>
            <source>Measuring on this machine…</source>
            <translation>Mesure sur cette machine…</translation>
        </message>
        <message>
            <source>Takes about {} here</source>
            <translation>Prend ici environ {}</translation>
        </message>
        <message>
            <source>Time on this machine not measured yet</source>
            <translation>Durée sur cette machine pas encore mesurée</translation>
        </message>
        <message>
            <source>Measuring the speed</source>
            <translation>Mesure de la vitesse</translation>
        </message>
    </context>
    <context>
        <name>TrainingLayer</name>
        <message>
            <source>Add class</source>
            <translation>Ajouter une classe</translation>
        </message>
        <message>
            <source>Rename class</source>
            <translation>Renommer la classe</translation>
        </message>
        <message>
            <source>Recolour class</source>
            <translation>Changer la couleur de la classe</translation>
        </message>
        <message>
            <source>Load classes</source>
            <translation>Charger des classes</translation>
        </message>
        <message>
            <source>Merge classes</source>
            <translation>Fusionner des classes</translation>
        </message>
        <message>
            <source>Delete classes</source>
            <translation>Supprimer des classes</translation>
        </message>
        <message>
            <source>Add polygon</source>
            <translation>Ajouter un polygone</translation>
        </message>
        <message>
            <source>Change class</source>
            <translation>Changer de classe</translation>
        </message>
        <message>
            <source>Import polygons</source>
            <translation>Importer des polygones</translation>
        </message>
    </context>
    <context>
        <name>TrainingSamples</name>
        <message>
            <source>The pixels cannot be read: {}</source>
            <translation>Les pixels ne peuvent pas être lus : {}</translation>
        </message>
    </context>
    <context>
        <name>Workspace</name>
        <message>
            <source>The training polygons {} are gone; the next class begins a new file.</source>
            <translation>Les polygones d'entraînement {} ont disparu ; la prochaine classe commence un nouveau fichier.</translation>
        </message>
        <message>
            <source>1 training polygon was recovered: it had not been saved.</source>
            <translation>1 polygone d'entraînement a été récupéré : il n'était pas enregistré.</translation>
        </message>
        <message>
            <source>{} training polygons were recovered: not all had been saved.</source>
            <translation>{} polygones d'entraînement ont été récupérés : tous n'étaient pas enregistrés.</translation>
        </message>
        <message>
            <source>Training – {}</source>
            <translation>Entraînement – {}</translation>
        </message>
        <message>
            <source>The training polygons {path} were not saved: {reason}</source>
            <translation>Les polygones d'entraînement {path} n'ont pas été enregistrés : {reason}</translation>
        </message>
    </context>
    <context>
        <name>_Line</name>
        <message>
            <source>Stop this job; what it learned up to now is kept</source>
            <translation>Arrêter cette tâche ; ce qu'elle a appris jusqu'ici est gardé</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>A&amp;nnuler</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>Annuler</translation>
        </message>
        <message>
            <source>{} – stopping…</source>
            <translation>{} – arrêt…</translation>
        </message>
        <message>
            <source>Drag: the map is on the left, the scene on the right</source>
            <translation>Faites glisser : la carte est à gauche, la scène à droite</translation>
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
            <translation>{} jours</translation>
        </message>
    </context>
</TS>
